//! Names in serialized form: as `Display` writes and `FromStr` reads them.

use alloc::string::String;
use core::fmt::Display;
use core::str::FromStr;

use serde::de::{Deserialize as _, Deserializer, Error as _};
use serde::ser::Serializer;

pub(crate) fn serialize<S: Serializer>(named: &dyn Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(named)
}

pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// Implements `Serialize` and `Deserialize` for a type by its name.
macro_rules! serialized_by_name {
    ($named:ty) => {
        impl serde::Serialize for $named {
            fn serialize<S>(&self, to: S) -> core::result::Result<S::Ok, S::Error>
            where
                S: serde::Serializer,
            {
                crate::names::serialize(self, to)
            }
        }

        impl<'de> serde::Deserialize<'de> for $named {
            fn deserialize<D>(from: D) -> core::result::Result<Self, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                crate::names::deserialize(from)
            }
        }
    };
}
pub(crate) use serialized_by_name;
