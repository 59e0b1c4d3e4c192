//! The places that the monitor writes to: a client for each sink that is set.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

use aws_config::SdkConfig;

use time::OffsetDateTime;

use super::decide::{rows::Rows, settings::Settings};
use crate::{
    aws::{
        Aws, dynamodb::Table, log_group::LogGroup, opensearch::SearchIndex, patient, sns::Topic,
    },
    function::http::Http,
    task::TaskDefinition,
};

/// Task definitions by their ARNs.
pub(super) type Definitions = BTreeMap<String, Arc<TaskDefinition>>;

/// Most calls to one service that are under way at a time.
pub(super) const AT_ONCE: usize = 32;

/// The sinks.
pub(super) struct Sinks {
    pub(super) settings: Settings,
    pub(super) table: Option<Table>,
    pub(super) topic: Option<Topic>,
    pub(super) log_group: Option<LogGroup>,
    pub(super) search: Option<SearchIndex>,
    /// The task definitions that have been read.
    pub(super) known_definitions: Mutex<Definitions>,
    aws: OnceLock<Aws>,
    config: SdkConfig,
}

impl Sinks {
    /// The sinks of these settings. Their clients use this configuration with our own time limits.
    pub(super) fn new(settings: Settings, config: SdkConfig, http: Http) -> Self {
        let config = patient(config);
        Self {
            table: settings
                .audit
                .as_ref()
                .map(|audit| Table::new(&config, &audit.table)),
            topic: settings
                .alert
                .as_ref()
                .map(|alert| Topic::new(&config, &alert.topic_arn)),
            log_group: settings
                .log_group
                .as_ref()
                .map(|name| LogGroup::new(&config, name)),
            search: settings
                .index
                .as_ref()
                .map(|index| SearchIndex::new(&config, http, &index.endpoint)),
            known_definitions: Mutex::default(),
            aws: OnceLock::new(),
            config,
            settings,
        }
    }

    /// ECS and CloudWatch Logs, for task definitions and for the log lines in alerts. They are made
    /// on first use, so that a start does not wait for them.
    pub(super) fn aws(&self) -> &Aws {
        self.aws.get_or_init(|| Aws::new(self.config.clone()))
    }

    /// The rows of one invocation, under a name of its own.
    pub(super) fn rows(&self, now: OffsetDateTime) -> Rows {
        let retention_days = self
            .settings
            .audit
            .as_ref()
            .map_or(0, |audit| audit.retention_days);
        Rows {
            me: format!("{:016x}", fastrand::u64(..)),
            now,
            retention_days,
        }
    }
}
