"""Posts of sources to rows of the store: media located, hashed and linked; what cannot be read becomes failures."""
