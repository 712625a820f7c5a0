//! The names of all filters that Camunda 7.24 has, by list: those of the query string and those of the body of its POST twin.
//!
//! A reader takes what is implemented and refuses what is left of these: see [`Fields::finish`](crate::query_params::Fields::finish).

/// `/deployment`.
#[rustfmt::skip]
pub(super) const DEPLOYMENTS: &[&str] = &[
    "id", "name", "nameLike", "source", "withoutSource", "tenantIdIn", "withoutTenantId", "includeDeploymentsWithoutTenantId",
    "after", "before", "sortBy", "sortOrder", "firstResult", "maxResults",
];

/// `/process-definition`.
#[rustfmt::skip]
pub(super) const PROCESS_DEFINITIONS: &[&str] = &[
    "processDefinitionId", "processDefinitionIdIn", "name", "nameLike", "deploymentId", "deployedAfter", "deployedAt", "key",
    "keysIn", "keyLike", "category", "categoryLike", "version", "latestVersion", "resourceName", "resourceNameLike",
    "startableBy", "active", "suspended", "incidentId", "incidentType", "incidentMessage", "incidentMessageLike", "tenantIdIn",
    "withoutTenantId", "includeProcessDefinitionsWithoutTenantId", "versionTag", "versionTagLike", "withoutVersionTag",
    "startableInTasklist", "notStartableInTasklist", "startablePermissionCheck", "sortBy", "sortOrder", "firstResult",
    "maxResults",
];

/// `/process-definition/statistics` and `/process-definition/{id}/statistics`.
#[rustfmt::skip]
pub(super) const DEFINITION_STATISTICS: &[&str] = &[
    "failedJobs", "incidents", "incidentsForType", "rootIncidents",
];

/// `/process-instance`.
#[rustfmt::skip]
pub(super) const PROCESS_INSTANCES: &[&str] = &[
    "sortBy", "sortOrder", "firstResult", "maxResults", "processInstanceIds", "businessKey", "businessKeyLike",
    "caseInstanceId", "processDefinitionId", "processDefinitionKey", "processDefinitionKeyIn", "processDefinitionKeyNotIn",
    "deploymentId", "superProcessInstance", "subProcessInstance", "superCaseInstance", "subCaseInstance", "active", "suspended",
    "withIncident", "incidentId", "incidentType", "incidentMessage", "incidentMessageLike", "tenantIdIn", "withoutTenantId",
    "processDefinitionWithoutTenantId", "activityIdIn", "rootProcessInstances", "rootProcessInstanceId", "leafProcessInstances",
    "variables", "variableNamesIgnoreCase", "variableValuesIgnoreCase", "orQueries", "sorting",
];

/// `/task`.
#[rustfmt::skip]
pub(super) const TASKS: &[&str] = &[
    "taskId", "taskIdIn", "processInstanceId", "processInstanceIdIn", "processInstanceBusinessKey",
    "processInstanceBusinessKeyExpression", "processInstanceBusinessKeyIn", "processInstanceBusinessKeyLike",
    "processInstanceBusinessKeyLikeExpression", "processDefinitionId", "processDefinitionKey", "processDefinitionKeyIn",
    "processDefinitionName", "processDefinitionNameLike", "executionId", "caseInstanceId", "caseInstanceBusinessKey",
    "caseInstanceBusinessKeyLike", "caseDefinitionId", "caseDefinitionKey", "caseDefinitionName", "caseDefinitionNameLike",
    "caseExecutionId", "activityInstanceIdIn", "tenantIdIn", "withoutTenantId", "assignee", "assigneeExpression",
    "assigneeLike", "assigneeLikeExpression", "assigneeIn", "assigneeNotIn", "owner", "ownerExpression", "candidateGroup",
    "candidateGroupLike", "candidateGroupExpression", "candidateUser", "candidateUserExpression", "includeAssignedTasks",
    "involvedUser", "involvedUserExpression", "assigned", "unassigned", "taskDefinitionKey", "taskDefinitionKeyIn",
    "taskDefinitionKeyNotIn", "taskDefinitionKeyLike", "name", "nameNotEqual", "nameLike", "nameNotLike", "description",
    "descriptionLike", "priority", "maxPriority", "minPriority", "dueDate", "dueDateExpression", "dueAfter",
    "dueAfterExpression", "dueBefore", "dueBeforeExpression", "withoutDueDate", "followUpDate", "followUpDateExpression",
    "followUpAfter", "followUpAfterExpression", "followUpBefore", "followUpBeforeExpression", "followUpBeforeOrNotExistent",
    "followUpBeforeOrNotExistentExpression", "createdOn", "createdOnExpression", "createdAfter", "createdAfterExpression",
    "createdBefore", "createdBeforeExpression", "updatedAfter", "updatedAfterExpression", "delegationState", "candidateGroups",
    "candidateGroupsExpression", "withCandidateGroups", "withoutCandidateGroups", "withCandidateUsers", "withoutCandidateUsers",
    "active", "suspended", "taskVariables", "processVariables", "caseInstanceVariables", "variableNamesIgnoreCase",
    "variableValuesIgnoreCase", "parentTaskId", "withCommentAttachmentInfo", "withTaskVariablesInReturn",
    "withTaskLocalVariablesInReturn", "sortBy", "sortOrder", "firstResult", "maxResults", "orQueries", "sorting",
];

/// `/external-task`.
#[rustfmt::skip]
pub(super) const EXTERNAL_TASKS: &[&str] = &[
    "externalTaskId", "externalTaskIdIn", "topicName", "workerId", "locked", "notLocked", "withRetriesLeft", "noRetriesLeft",
    "lockExpirationAfter", "lockExpirationBefore", "activityId", "activityIdIn", "executionId", "processInstanceId",
    "processInstanceIdIn", "processDefinitionId", "tenantIdIn", "active", "suspended", "priorityHigherThanOrEquals",
    "priorityLowerThanOrEquals", "processDefinitionKey", "processDefinitionKeyIn", "processDefinitionName",
    "processDefinitionNameLike", "variableNamesIgnoreCase", "variableValuesIgnoreCase", "processVariables", "sortBy", "sortOrder",
    "firstResult", "maxResults", "sorting",
];

/// A topic of `/external-task/fetchAndLock`.
#[rustfmt::skip]
pub(super) const FETCHED_TOPIC: &[&str] = &[
    "topicName", "lockDuration", "variables", "localVariables", "businessKey", "processDefinitionId", "processDefinitionIdIn",
    "processDefinitionKey", "processDefinitionKeyIn", "processDefinitionVersionTag", "withoutTenantId", "tenantIdIn",
    "processVariables", "deserializeValues", "includeExtensionProperties",
];

/// `/event-subscription`.
#[rustfmt::skip]
pub(super) const EVENT_SUBSCRIPTIONS: &[&str] = &[
    "eventSubscriptionId", "eventName", "eventType", "executionId", "processInstanceId", "activityId", "tenantIdIn",
    "withoutTenantId", "includeEventSubscriptionsWithoutTenantId", "sortBy", "sortOrder", "firstResult", "maxResults",
];

/// `/job`.
#[rustfmt::skip]
pub(super) const JOBS: &[&str] = &[
    "jobId", "jobIds", "jobDefinitionId", "processInstanceId", "processInstanceIds", "executionId", "processDefinitionId",
    "processDefinitionKey", "activityId", "withRetriesLeft", "executable", "timers", "messages", "dueDates", "createTimes",
    "withException", "exceptionMessage", "failedActivityId", "noRetriesLeft", "active", "suspended",
    "priorityLowerThanOrEquals", "priorityHigherThanOrEquals", "tenantIdIn", "withoutTenantId", "includeJobsWithoutTenantId",
    "acquired", "sortBy", "sortOrder", "firstResult", "maxResults", "sorting",
];

/// `/incident`.
#[rustfmt::skip]
pub(super) const INCIDENTS: &[&str] = &[
    "incidentId", "incidentType", "incidentMessage", "incidentMessageLike", "processDefinitionId", "processDefinitionKeyIn",
    "processInstanceId", "executionId", "incidentTimestampBefore", "incidentTimestampAfter", "activityId", "failedActivityId",
    "causeIncidentId", "rootCauseIncidentId", "configuration", "tenantIdIn", "jobDefinitionIdIn", "sortBy", "sortOrder",
    "firstResult", "maxResults",
];

/// `/history/process-instance`.
#[rustfmt::skip]
pub(super) const HISTORIC_PROCESS_INSTANCES: &[&str] = &[
    "sortBy", "sortOrder", "firstResult", "maxResults", "processInstanceId", "processInstanceIds", "processInstanceIdNotIn",
    "processDefinitionId", "processDefinitionKey", "processDefinitionKeyIn", "processDefinitionName",
    "processDefinitionNameLike", "processDefinitionKeyNotIn", "processInstanceBusinessKey", "processInstanceBusinessKeyIn",
    "processInstanceBusinessKeyLike", "rootProcessInstances", "rootProcessInstanceId", "finished", "unfinished",
    "withJobsRetrying", "withIncidents", "withRootIncidents", "incidentIdIn", "incidentType", "incidentStatus",
    "incidentMessage", "incidentMessageLike", "startedBefore", "startedAfter", "finishedBefore", "finishedAfter",
    "executedActivityAfter", "executedActivityBefore", "executedJobAfter", "executedJobBefore", "startedBy",
    "superProcessInstanceId", "subProcessInstanceId", "superCaseInstanceId", "subCaseInstanceId", "caseInstanceId",
    "tenantIdIn", "withoutTenantId", "activityIdIn", "executedActivityIdIn", "activeActivityIdIn", "active", "suspended",
    "completed", "externallyTerminated", "internallyTerminated", "variables", "variableNamesIgnoreCase",
    "variableValuesIgnoreCase", "orQueries", "sorting",
];

/// `/history/activity-instance`.
#[rustfmt::skip]
pub(super) const HISTORIC_ACTIVITY_INSTANCES: &[&str] = &[
    "sortBy", "sortOrder", "firstResult", "maxResults", "activityInstanceId", "processInstanceId", "processDefinitionId",
    "executionId", "activityId", "activityName", "activityType", "taskAssignee", "finished", "unfinished", "canceled",
    "completeScope", "startedBefore", "startedAfter", "finishedBefore", "finishedAfter", "tenantIdIn", "withoutTenantId",
    "sorting",
];

/// `/history/variable-instance`.
#[rustfmt::skip]
pub(super) const HISTORIC_VARIABLE_INSTANCES: &[&str] = &[
    "variableName", "variableNameLike", "variableValue", "variableNamesIgnoreCase", "variableValuesIgnoreCase",
    "variableTypeIn", "includeDeleted", "processInstanceId", "processInstanceIdIn", "processDefinitionId",
    "processDefinitionKey", "executionIdIn", "caseInstanceId", "caseExecutionIdIn", "caseActivityIdIn", "taskIdIn",
    "activityInstanceIdIn", "tenantIdIn", "withoutTenantId", "variableNameIn", "sortBy", "sortOrder", "firstResult",
    "maxResults", "deserializeValues", "sorting",
];

/// `/history/task`.
#[rustfmt::skip]
pub(super) const HISTORIC_TASKS: &[&str] = &[
    "taskId", "taskParentTaskId", "processInstanceId", "rootProcessInstanceId", "processInstanceBusinessKey",
    "processInstanceBusinessKeyIn", "processInstanceBusinessKeyLike", "executionId", "processDefinitionId",
    "processDefinitionKey", "processDefinitionName", "caseInstanceId", "caseExecutionId", "caseDefinitionId",
    "caseDefinitionKey", "caseDefinitionName", "activityInstanceIdIn", "taskName", "taskNameLike", "taskDescription",
    "taskDescriptionLike", "taskDefinitionKey", "taskDefinitionKeyIn", "taskDeleteReason", "taskDeleteReasonLike",
    "taskAssignee", "taskAssigneeLike", "taskOwner", "taskOwnerLike", "taskPriority", "assigned", "unassigned", "finished",
    "unfinished", "processFinished", "processUnfinished", "taskDueDate", "taskDueDateBefore", "taskDueDateAfter",
    "withoutTaskDueDate", "taskFollowUpDate", "taskFollowUpDateBefore", "taskFollowUpDateAfter", "startedBefore",
    "startedAfter", "finishedBefore", "finishedAfter", "tenantIdIn", "withoutTenantId", "taskVariables", "processVariables",
    "variableNamesIgnoreCase", "variableValuesIgnoreCase", "taskInvolvedUser", "taskInvolvedGroup", "taskHadCandidateUser",
    "taskHadCandidateGroup", "withCandidateGroups", "withoutCandidateGroups", "sortBy", "sortOrder", "firstResult",
    "maxResults", "orQueries", "sorting",
];

/// `/history/incident`.
#[rustfmt::skip]
pub(super) const HISTORIC_INCIDENTS: &[&str] = &[
    "incidentId", "incidentType", "incidentMessage", "incidentMessageLike", "processDefinitionId", "processDefinitionKey",
    "processDefinitionKeyIn", "processInstanceId", "executionId", "createTimeBefore", "createTimeAfter", "endTimeBefore",
    "endTimeAfter", "activityId", "failedActivityId", "causeIncidentId", "rootCauseIncidentId", "configuration",
    "historyConfiguration", "open", "resolved", "deleted", "tenantIdIn", "withoutTenantId", "jobDefinitionIdIn", "sortBy",
    "sortOrder", "firstResult", "maxResults",
];

/// `/history/user-operation`.
#[rustfmt::skip]
pub(super) const USER_OPERATIONS: &[&str] = &[
    "deploymentId", "processDefinitionId", "processDefinitionKey", "processInstanceId", "executionId", "caseDefinitionId",
    "caseInstanceId", "caseExecutionId", "taskId", "externalTaskId", "batchId", "jobId", "jobDefinitionId", "userId",
    "operationId", "operationType", "entityType", "entityTypeIn", "category", "categoryIn", "property", "afterTimestamp",
    "beforeTimestamp", "sortBy", "sortOrder", "firstResult", "maxResults",
];

/// `/execution`.
#[rustfmt::skip]
pub(super) const EXECUTIONS: &[&str] = &[
    "businessKey", "processDefinitionId", "processDefinitionKey", "processInstanceId", "activityId", "signalEventSubscriptionName",
    "messageEventSubscriptionName", "active", "suspended", "incidentId", "incidentType", "incidentMessage", "incidentMessageLike",
    "tenantIdIn", "variables", "processVariables", "variableNamesIgnoreCase", "variableValuesIgnoreCase", "sortBy", "sortOrder",
    "firstResult", "maxResults", "sorting",
];

/// `/variable-instance`.
#[rustfmt::skip]
pub(super) const VARIABLE_INSTANCES: &[&str] = &[
    "variableName", "variableNameLike", "processInstanceIdIn", "executionIdIn", "caseInstanceIdIn", "caseExecutionIdIn", "taskIdIn",
    "batchIdIn", "activityInstanceIdIn", "tenantIdIn", "variableValues", "variableNamesIgnoreCase", "variableValuesIgnoreCase",
    "variableScopeIdIn", "sortBy", "sortOrder", "firstResult", "maxResults", "deserializeValues", "sorting",
];

/// `/history/detail`.
#[rustfmt::skip]
pub(super) const HISTORIC_DETAILS: &[&str] = &[
    "processInstanceId", "processInstanceIdIn", "executionId", "taskId", "activityInstanceId", "caseInstanceId", "caseExecutionId",
    "variableInstanceId", "variableTypeIn", "variableNameLike", "tenantIdIn", "withoutTenantId", "userOperationId", "formFields",
    "variableUpdates", "excludeTaskDetails", "initial", "occurredBefore", "occurredAfter", "sortBy", "sortOrder", "firstResult",
    "maxResults", "deserializeValues", "sorting",
];
