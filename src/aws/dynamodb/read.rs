//! Reading: a partition, an index page by page, and items by their keys.

use aws_sdk_dynamodb::{
    operation::query::{QueryOutput, builders::QueryFluentBuilder},
    types::{AttributeValue, KeysAndAttributes, Select},
};
use backon::BackoffBuilder;

use super::{
    Table,
    attributes::{plain, typed},
    backoff,
};
use crate::{call::CallError, item::Attributes};

/// How many items one BatchGetItem gives.
pub const GET_AT_ONCE: usize = 100;

/// Where an index is read: one of its partitions, up to a value of its sort key.
#[derive(Clone, Copy, Debug)]
pub struct IndexRange<'r> {
    /// The index's name.
    pub index: &'r str,
    /// Its partition key and the partition.
    pub partition: (&'r str, &'r str),
    /// Its sort key and the greatest value that is read.
    pub up_to: (&'r str, i64),
}

/// One page of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The items, in the order of the sort key.
    pub items: Vec<Attributes>,
    /// Where the next page begins, if there is one.
    pub next: Option<Attributes>,
}

impl Table {
    /// All items of a partition, as they are now.
    pub async fn query(&self, partition: (&str, &str)) -> Result<Vec<Attributes>, CallError> {
        let (name, value) = partition;
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("#partition = :partition")
                .expression_attribute_names("#partition", name)
                .expression_attribute_values(":partition", AttributeValue::S(value.to_owned()))
                .consistent_read(true)
                .set_exclusive_start_key(from);
            let answer = queried(call).await?;
            items.extend(answer.items.unwrap_or_default().into_iter().map(plain));
            match answer.last_evaluated_key.filter(|key| !key.is_empty()) {
                Some(key) => from = Some(key),
                None => return Ok(items),
            }
        }
    }

    /// One page of an index, of at most [`GET_AT_ONCE`] items. It may lag a moment behind the table.
    pub async fn query_index(
        &self,
        range: &IndexRange<'_>,
        from: Option<&Attributes>,
    ) -> Result<Page, CallError> {
        let answer = queried(
            self.index_query(range).limit(GET_AT_ONCE as i32).set_exclusive_start_key(from.map(typed)),
        )
        .await?;
        let items = answer.items.unwrap_or_default().into_iter().map(plain).collect();
        Ok(Page { items, next: answer.last_evaluated_key.filter(|key| !key.is_empty()).map(plain) })
    }

    /// How many items a range of an index has, which may lag a moment behind the table.
    pub async fn count_index(&self, range: &IndexRange<'_>) -> Result<usize, CallError> {
        let (mut count, mut from) = (0, None);
        loop {
            let call = self.index_query(range).select(Select::Count).set_exclusive_start_key(from);
            let answer = queried(call).await?;
            count += usize::try_from(answer.count).unwrap_or_default();
            match answer.last_evaluated_key.filter(|key| !key.is_empty()) {
                Some(key) => from = Some(key),
                None => return Ok(count),
            }
        }
    }

    /// The items with these keys, up to [`GET_AT_ONCE`] different ones, as they are now, in no order; what is
    /// not there is left out. What DynamoDB leaves over is asked for again, for as long as a burst of
    /// throttling lasts, and then left out, too: what it has given must not wait for that.
    pub async fn get_all(&self, keys: &[Attributes]) -> Result<Vec<Attributes>, CallError> {
        let unbuilt = |error| CallError::unbuilt("dynamodb:BatchGetItem", &error);
        let mut left: Vec<_> = keys.iter().map(typed).collect();
        let (mut items, mut waits) = (Vec::new(), backoff().build());
        while !left.is_empty() {
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(left))
                .consistent_read(true)
                .build()
                .map_err(unbuilt)?;
            let call = self.client.batch_get_item().request_items(&self.name, wanted);
            let answer = match call.send().await {
                Ok(answer) => answer,
                Err(error) if items.is_empty() => return Err(CallError::of("dynamodb:BatchGetItem", error)),
                Err(_) => break,
            };
            // The table is the only one; by its ARN it may come back under its name.
            let found = answer.responses.unwrap_or_default().into_values().flatten();
            let known = items.len();
            items.extend(found.map(plain));
            left = answer
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .flat_map(|left| left.keys)
                .collect();
            if left.is_empty() || items.len() > known {
                continue;
            }
            match waits.next() {
                Some(wait) => tokio::time::sleep(wait).await,
                None if items.is_empty() => return Err(CallError::throttled("dynamodb:BatchGetItem")),
                None => break,
            }
        }
        Ok(items)
    }

    fn index_query(&self, range: &IndexRange<'_>) -> QueryFluentBuilder {
        let IndexRange { index, partition, up_to } = range;
        self.client
            .query()
            .table_name(&self.name)
            .index_name(*index)
            .key_condition_expression("#partition = :partition AND #sort <= :up_to")
            .expression_attribute_names("#partition", partition.0)
            .expression_attribute_names("#sort", up_to.0)
            .expression_attribute_values(":partition", AttributeValue::S(partition.1.to_owned()))
            .expression_attribute_values(":up_to", AttributeValue::N(up_to.1.to_string()))
    }
}

async fn queried(call: QueryFluentBuilder) -> Result<QueryOutput, CallError> {
    call.send().await.map_err(|error| CallError::of("dynamodb:Query", error))
}
