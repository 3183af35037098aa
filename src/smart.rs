//! SMART App Launch as pure rules: discovery documents and launch context.
