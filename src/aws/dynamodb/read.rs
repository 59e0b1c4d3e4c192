//! Reads: a partition, an index page by page, and items by their keys.

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

/// The most items that one BatchGetItem returns.
pub const GET_AT_ONCE: usize = 100;

/// The part of an index to read: one of its partitions, up to a value of its sort key.
#[derive(Clone, Copy, Debug)]
pub struct IndexRange<'r> {
    /// The index's name.
    pub index: &'r str,
    /// The name of its partition key, and the partition's value.
    pub partition: (&'r str, &'r str),
    /// The name of its sort key, and the greatest value to read.
    pub up_to: (&'r str, i64),
}

/// One page of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The items, in the order of the sort key.
    pub items: Vec<Attributes>,
    /// The key to continue from, if there is another page.
    pub next: Option<Attributes>,
}

impl Table {
    /// All items of a partition, read consistently.
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
                // A decision on an old row could start or answer something twice.
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

    /// One page of an index, of at most [`GET_AT_ONCE`] items. An index can lag a moment behind its
    /// table.
    pub async fn query_index(
        &self,
        range: &IndexRange<'_>,
        from: Option<&Attributes>,
    ) -> Result<Page, CallError> {
        let answer = queried(
            // The keys of one page then fit into one BatchGetItem.
            self.index_query(range)
                .limit(GET_AT_ONCE as i32)
                .set_exclusive_start_key(from.map(typed)),
        )
        .await?;
        let items = answer
            .items
            .unwrap_or_default()
            .into_iter()
            .map(plain)
            .collect();
        // DynamoDB documents an empty key as the end, too.
        Ok(Page {
            items,
            next: answer
                .last_evaluated_key
                .filter(|key| !key.is_empty())
                .map(plain),
        })
    }

    /// The number of items in a range of an index. An index can lag a moment behind its table.
    pub async fn count_index(&self, range: &IndexRange<'_>) -> Result<usize, CallError> {
        let (mut count, mut from) = (0, None);
        loop {
            let call = self
                .index_query(range)
                .select(Select::Count)
                .set_exclusive_start_key(from);
            let answer = queried(call).await?;
            count += usize::try_from(answer.count).unwrap_or_default();
            match answer.last_evaluated_key.filter(|key| !key.is_empty()) {
                Some(key) => from = Some(key),
                None => return Ok(count),
            }
        }
    }

    /// The items with these keys, up to [`GET_AT_ONCE`] different ones, read consistently and in no
    /// order. Missing items are left out. Asks for unprocessed keys again as long as a short burst
    /// of throttling lasts, then returns the items that it has: they must not wait for the rest.
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
            let call = self
                .client
                .batch_get_item()
                .request_items(&self.name, wanted);
            let answer = match call.send().await {
                Ok(answer) => answer,
                Err(error) if items.is_empty() => {
                    return Err(CallError::of("dynamodb:BatchGetItem", error));
                }
                // Items that have been read are worth more than the error; the caller reads the
                // rest later.
                Err(_) => break,
            };
            // The call names one table only. If it names it by ARN, the answer may name it
            // otherwise.
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
                None if items.is_empty() => {
                    return Err(CallError::throttled("dynamodb:BatchGetItem"));
                }
                None => break,
            }
        }
        Ok(items)
    }

    fn index_query(&self, range: &IndexRange<'_>) -> QueryFluentBuilder {
        let IndexRange {
            index,
            partition,
            up_to,
        } = range;
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
    call.send()
        .await
        .map_err(|error| CallError::of("dynamodb:Query", error))
}
