/// Declares a struct of public fields that is an array on the wire.
macro_rules! row {
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $($field:ident: $type:ty),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $(pub $field: $type,)+
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                ($(&self.$field,)+).serialize(serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let ($($field,)+) = <($($type,)+)>::deserialize(deserializer)?;
                Ok(Self { $($field),+ })
            }
        }
    };
}

pub(super) use row;

#[cfg(test)]
mod tests {
    use protocol::{ItemId, OrderId, UserId};

    use crate::snapshot::{OrderLine, OrderRow};

    #[test]
    fn a_row_is_an_array_on_the_wire() {
        let row = OrderRow {
            order_id: OrderId(7),
            user_id: UserId(3),
            paid: true,
            total_cost: 10,
            lines: vec![OrderLine {
                item_id: ItemId(1),
                quantity: 2,
                price: 5,
            }]
            .into(),
        };
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(text, "[7,3,true,10,[[1,2,5]]]");
        assert_eq!(serde_json::from_str::<OrderRow>(&text).unwrap(), row);
    }
}
