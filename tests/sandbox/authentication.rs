//! The backend-services token endpoint and what it protects.
