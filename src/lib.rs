//! pdbak
