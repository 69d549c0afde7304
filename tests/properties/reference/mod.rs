//! Slow and plain second opinions. The fuzz targets ask them too.

pub mod credential;
pub mod model;
pub mod routing;
pub mod source;
