//! DynamoDB: items and expressions in, items out. Values are JSON; the caller knows their meaning.
//!
//! In an expression write every attribute as `#name`, because DynamoDB reserves many words, and
//! every value as `:name`.

mod attributes;
mod read;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    operation::{
        put_item::PutItemError, transact_write_items::TransactWriteItemsError,
        update_item::UpdateItemError,
    },
    types::{
        PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
        Update as TransactUpdate, WriteRequest,
    },
};
use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

use self::attributes::{plain, typed, typed_values};
pub use self::read::{GET_AT_ONCE, IndexRange, Page};
use super::{Throttles, in_region_of};
use crate::call::{CallError, CallErrorKind};
pub use crate::item::{Attributes, Update, Updated};

/// The most items that one BatchWriteItem takes.
pub const BATCH_ITEMS: usize = 25;
/// The most changes that one TransactWriteItems takes.
pub const TRANSACTION_UPDATES: usize = 100;

/// A table.
#[derive(Debug)]
pub struct Table {
    client: Client,
    name: String,
    throttles: Throttles,
}

/// The outcome of writing an item that must be new.
#[derive(Clone, Debug, PartialEq)]
pub enum Inserted {
    /// It was written.
    New,
    /// An item with this key exists. Holds that item.
    There(Attributes),
}

/// The outcome of several changes, of which all or none are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transacted {
    /// All were made.
    Done,
    /// None was made. Holds the positions of the changes whose conditions do not hold.
    Refused(Vec<usize>),
}

impl Table {
    /// The table of this name or ARN.
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        let throttles = Throttles::default();
        let config = aws_sdk_dynamodb::config::Builder::from(&in_region_of(name, config));
        let client = Client::from_conf(config.interceptor(throttles.clone()).build());
        Self {
            client,
            name: name.to_owned(),
            throttles,
        }
    }

    /// The counter of the calls to this table that AWS throttled.
    pub fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// Writes an item and replaces the one with the same key.
    pub async fn put(&self, item: &Attributes) -> Result<(), CallError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(typed(item)));
        call.send()
            .await
            .map_err(|error| CallError::of("dynamodb:PutItem", error))?;
        Ok(())
    }

    /// Writes an item unless one with its key exists. `partition` is the name of the partition key.
    pub async fn insert(&self, item: &Attributes, partition: &str) -> Result<Inserted, CallError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(typed(item)))
            .condition_expression("attribute_not_exists(#partition)")
            .expression_attribute_names("#partition", partition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call.send().await {
            Ok(_) => Ok(Inserted::New),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => Ok(
                    Inserted::There(refused.item().cloned().map(plain).unwrap_or_default()),
                ),
                _ => Err(CallError::of("dynamodb:PutItem", error)),
            },
        }
    }

    /// Writes up to [`BATCH_ITEMS`] items with different keys and replaces those that exist. Sends
    /// unprocessed items again, as long as a short burst of throttling lasts.
    pub async fn put_all(&self, items: &[&Attributes]) -> Result<(), CallError> {
        let unbuilt = |error| CallError::unbuilt("dynamodb:BatchWriteItem", &error);
        let put = |item: &&Attributes| {
            let put = PutRequest::builder()
                .set_item(Some(typed(item)))
                .build()
                .map_err(unbuilt)?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        let mut left: Vec<WriteRequest> =
            items.iter().map(put).collect::<Result<_, CallError>>()?;
        let mut waits = backoff().build();
        loop {
            let call = self
                .client
                .batch_write_item()
                .request_items(&self.name, left);
            let answer = call
                .send()
                .await
                .map_err(|error| CallError::of("dynamodb:BatchWriteItem", error))?;
            // The call names one table only. If it names it by ARN, the answer may name it
            // otherwise.
            left = answer
                .unprocessed_items
                .unwrap_or_default()
                .into_values()
                .flatten()
                .collect();
            if left.is_empty() {
                return Ok(());
            }
            match waits.next() {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(CallError::throttled("dynamodb:BatchWriteItem")),
            }
        }
    }

    /// Changes one item if its condition holds.
    pub async fn update(&self, update: &Update) -> Result<Updated, CallError> {
        let mut call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(typed(&update.key)))
            .update_expression(&update.expression)
            .set_condition_expression(update.condition())
            .set_expression_attribute_values(typed_values(update))
            // The item comes back in any case. A read after the refusal could find it changed
            // again.
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for name in update.names() {
            call = call.expression_attribute_names(format!("#{name}"), name);
        }
        match call.send().await {
            Ok(answer) => Ok(Updated::Done(
                answer.attributes.map(plain).unwrap_or_default(),
            )),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Ok(
                    Updated::Refused(refused.item().cloned().map(plain).unwrap_or_default()),
                ),
                _ => Err(CallError::of("dynamodb:UpdateItem", error)),
            },
        }
    }

    /// Changes up to [`TRANSACTION_UPDATES`] items, all or none. Retries a conflict with another
    /// transaction. With the same `token` a repeated call has no second effect.
    pub async fn transact(&self, updates: &[Update], token: &str) -> Result<Transacted, CallError> {
        let once = || async {
            let items: Vec<TransactWriteItem> = updates
                .iter()
                .map(|update| self.transact_item(update))
                .collect::<Result<_, _>>()?;
            let call = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items));
            match call.client_request_token(token).send().await {
                Ok(_) => Ok(Transacted::Done),
                Err(error) => match error.as_service_error() {
                    Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                        let codes = canceled
                            .cancellation_reasons()
                            .iter()
                            .map(|reason| reason.code());
                        let refused: Vec<usize> = codes
                            .enumerate()
                            .filter(|(_, code)| *code == Some("ConditionalCheckFailed"))
                            .map(|(at, _)| at)
                            .collect();
                        // Without a failed condition DynamoDB cancelled for a conflict or for
                        // throttling, which pass.
                        match refused.is_empty() {
                            true => Err(canceled_for_now(canceled.message())),
                            false => Ok(Transacted::Refused(refused)),
                        }
                    }
                    _ => Err(CallError::of("dynamodb:UpdateItem", error)),
                },
            }
        };
        once.retry(backoff())
            .when(|error| error.kind == CallErrorKind::Transient)
            .await
    }

    fn transact_item(&self, update: &Update) -> Result<TransactWriteItem, CallError> {
        let mut change = TransactUpdate::builder()
            .table_name(&self.name)
            .set_key(Some(typed(&update.key)))
            .update_expression(&update.expression)
            .set_condition_expression(update.condition())
            .set_expression_attribute_values(typed_values(update));
        for name in update.names() {
            change = change.expression_attribute_names(format!("#{name}"), name);
        }
        let change = change
            .build()
            .map_err(|error| CallError::unbuilt("dynamodb:UpdateItem", &error))?;
        Ok(TransactWriteItem::builder().update(change).build())
    }

    /// Deletes an item if the condition of `update` holds. Ignores its update expression.
    pub async fn delete(&self, update: &Update) -> Result<(), CallError> {
        let mut call = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(typed(&update.key)))
            .set_condition_expression(update.condition())
            .set_expression_attribute_values(typed_values(update));
        for name in update.names() {
            call = call.expression_attribute_names(format!("#{name}"), name);
        }
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = CallError::of("dynamodb:DeleteItem", error);
                // A condition that does not hold means that the item is no longer the one to
                // delete.
                if error.is("ConditionalCheckFailedException") {
                    Ok(())
                } else {
                    Err(error)
                }
            }
        }
    }
}

/// Retries for some three seconds: enough for short bursts of throttling and of conflicts.
fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_times(6)
        .with_jitter()
}

/// The error of a transaction that met another one, or a table without capacity.
fn canceled_for_now(message: Option<&str>) -> CallError {
    CallError {
        operation: "dynamodb:UpdateItem",
        code: "TransactionCanceledException".to_owned(),
        message: message.unwrap_or("no message").to_owned(),
        kind: CallErrorKind::Transient,
    }
}
