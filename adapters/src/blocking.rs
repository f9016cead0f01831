//! An application called from code that blocks.
