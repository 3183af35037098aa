//! What differs per deployment: vendor profiles and terminology, from `mappings/`.
