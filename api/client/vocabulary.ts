/** The types and errors that both faces of the library speak of. */
export {
  IdempotencyConflict,
  NotReschedulable,
  NoWorker,
  type Rescheduled,
  ResultTimeout,
  SubmitRefused,
  TaskEnded,
  TaskGone
} from "../../actors/dispatch/dispatcher.ts"
export type { FollowEvent } from "../../actors/follow/follower.ts"
export { PositionInvalid } from "../../actors/follow/follow.ts"
export {
  type LifecycleEvent,
  type LifecycleFilter,
  type LifecycleNews,
  LifecyclePositionInvalid,
  type LifecycleType
} from "../../actors/follow/lifecycle.ts"
export { TaskNotFound } from "../../actors/dispatch/replies.ts"
export { SettingsError, type SettingsShape } from "../../runtime/config.ts"
export {
  AttemptOver,
  type BatchContext,
  type BatchItem,
  type Child,
  ChildFailed,
  type ChildOutcome,
  ChildRefused,
  EventRefused,
  type Fault,
  type LogLevel,
  StepChanged,
  StepNested,
  StepTooLarge,
  type TaskContext,
  type TaskDefinition,
  type TaskInfo
} from "../../runtime/handler.ts"
export type { AgentDefinition } from "../../runtime/agent.ts"
export {
  ActRefused,
  type AgentContext,
  type AgentContextFx,
  type AgentNamed,
  AskCycle,
  type MessageInput,
  type MessageOf,
  type Reply
} from "../../runtime/current-agent.ts"
export { PayloadUnreadable } from "../../runtime/encryption/key-ring.ts"
export { RedisUnusable } from "../../runtime/redis/address.ts"
export { UnknownHandler } from "../../runtime/registry.ts"
export type { RetryOptions } from "../../runtime/retry.ts"
export { AgentBusy, AgentQuarantined, QueueFull, StoreError, StoreFull } from "../../runtime/store.ts"
export type { TaskError } from "../../runtime/record.ts"
export type { Lane, Priority, State, TaskId } from "../../runtime/task.ts"
export type { AttemptView, Progress, TaskView } from "../../runtime/view.ts"
export { AskTimeout, InvalidTaskId, TaskFailed } from "./errors.ts"
export type { DueOptions, InputOf, Named, OutputOf, SubmitOptions } from "./submission.ts"
export { AgentNotFound, type AgentPage, UnknownAgent } from "../../actors/operate/agents.ts"
export type { AgentQuery } from "../../actors/operate/agent-query.ts"
export type { AgentStatus, AgentSummary, AgentView } from "../../actors/operate/agent-view.ts"
export type { AgentIdentity, InquiryOptions, MessageOptions } from "./agents.ts"
export { QueryRefused } from "../../actors/operate/fields.ts"
export { NodeNotFound, WorkerNotFound } from "../../actors/operate/operator.ts"
export type { NodeView, WorkerView } from "../../actors/operate/crew.ts"
export type { QueueView } from "../../actors/operate/queues.ts"
export type { Stats } from "../../actors/operate/stats.ts"
export type { QueueLimits } from "../../runtime/operations.ts"
export type { Page } from "../../actors/operate/finder.ts"
export { type Count, type DeadPage, NotRetryable } from "../../actors/operate/revival.ts"
export { ScheduleRefused } from "../../actors/schedule/definition.ts"
export type { MissedPolicy, OverlapPolicy } from "../../actors/schedule/due.ts"
export {
  type RunNow,
  ScheduleBusy,
  ScheduleExists,
  ScheduleNotFound,
  type SchedulePage,
  SchedulesFull
} from "../../actors/schedule/operator.ts"
export type { ScheduleDetail, ScheduleView, SlotView } from "../../actors/schedule/view.ts"
export type { ScheduleOptions } from "./schedules.ts"
