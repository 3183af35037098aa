//! The HTTP edge: routes, extractors, errors in each surface's own form.
