"""What would this person buy? Faces to attributes, attributes to one product of a catalog."""

from postlens.tasks.products.catalog import DEFAULT_CATALOG, load_catalog
from postlens.tasks.products.features import face_features, head_inputs
from postlens.tasks.products.predict import MODEL, predict_attributes
from postlens.tasks.products.recommend import recommend

__all__ = [
    "DEFAULT_CATALOG",
    "MODEL",
    "face_features",
    "head_inputs",
    "load_catalog",
    "predict_attributes",
    "recommend",
]
