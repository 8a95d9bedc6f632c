"""What would this person buy? Faces to attributes, attributes to one product of a catalog."""

from postlens.tasks.products.catalog import DEFAULT_CATALOG, Catalog, parse_catalog
from postlens.tasks.products.features import face_features, head_crops
from postlens.tasks.products.offer import Shelf
from postlens.tasks.products.predict import MODEL, predict_attributes
from postlens.tasks.products.ranking import rank_products
from postlens.tasks.products.recommend import recommend

__all__ = [
    "DEFAULT_CATALOG",
    "MODEL",
    "Catalog",
    "Shelf",
    "face_features",
    "head_crops",
    "parse_catalog",
    "predict_attributes",
    "rank_products",
    "recommend",
]
