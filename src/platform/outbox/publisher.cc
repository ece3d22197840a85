#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "platform/obs/log.h"
#include "platform/obs/span.h"
#include "platform/outbox/late_events.h"
#include "platform/outbox/outbox.h"

namespace boxoffice::outbox {
namespace {

// The spans of a batch on its way to the bus, by OpenTelemetry's conventions for messaging: one for each
// event of a sampled trace, which the event carries from then on, so that whatever consumes it is a part of
// it.
std::vector<obs::Span> BeginSpans(std::span<bus::Event> events, const std::string& service) {
  std::vector<obs::Span> spans;
  if (!obs::TracingOn()) return spans;
  for (bus::Event& event : events) {
    const obs::SpanContext parent = obs::ParseIfSampled(event.traceparent);
    if (!parent) continue;
    obs::Span& span = spans.emplace_back();
    span.context = obs::ChildOf(parent);
    span.parent = parent.span;
    span.kind = obs::SpanKind::kProducer;
    span.service = service;
    span.name = "send " + event.topic;
    span.start = obs::SpanNow();
    span.attributes = {{"messaging.system", obs::BusSystem()},
                       {"messaging.operation.type", std::string("send")},
                       {"messaging.operation.name", std::string("send")},
                       {"messaging.destination.name", event.topic},
                       {"messaging.message.id", event.id.ToString()},
                       {"messaging.message.body.size", static_cast<int64_t>(event.body.size())},
                       {"messaging.batch.message_count", static_cast<int64_t>(events.size())},
                       {"cloudevents.event_type", event.type}};
    obs::WriteTraceparent(span.context, event.traceparent);
  }
  return spans;
}

void EndSpans(std::vector<obs::Span> spans, const Result<void>& published) {
  for (obs::Span& span : spans) {
    span.end = obs::SpanNow();
    if (!published) span.Fail(published.error().reason);
    obs::Record(std::move(span));
  }
}

}  // namespace

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

Publisher::Publisher(PublisherConfig config, bus::Bus& bus, const Clock& clock, obs::Registry& metrics)
    : config_(std::move(config)),
      bus_(bus),
      clock_(clock),
      published_(metrics.GetCounter("boxoffice_outbox_published_total", "Events that the bus has taken",
                                    {{"service", config_.service}})),
      failures_(metrics.GetCounter("boxoffice_outbox_failures_total", "Attempts to publish that failed",
                                   {{"service", config_.service}})),
      pending_gauge_(
          metrics.GetGauge("boxoffice_outbox_pending",
                           "Events not yet published; past 10,000 rows of the outbox at least so many",
                           {{"service", config_.service}})),
      oldest_gauge_(
          metrics.GetGauge("boxoffice_outbox_oldest_timestamp_seconds",
                           "When the oldest event that is not yet published was made; 0: none waits",
                           {{"service", config_.service}})),
      lag_seconds_(metrics.GetHistogram("boxoffice_outbox_lag_seconds", "From the event to its publication",
                                        obs::SecondsBounds(), {{"service", config_.service}})) {}

Publisher::~Publisher() { Stop(); }

Result<void> Publisher::Open() {
  CHECK(table_ == nullptr, "a publisher starts once");
  BOXOFFICE_ASSIGN(auto table, config_.open_table());
  table_ = RenewLateEvents(std::move(table), bus_, clock_);
  Count();
  return {};
}

Result<void> Publisher::Start() {
  BOXOFFICE_TRY(Open());
  thread_ = std::thread([this] { Loop(); });
  return {};
}

void Publisher::Nudge() { nudged_.Nudge(); }

void Publisher::Stop() {
  nudged_.Stop();
  if (thread_.joinable()) thread_.join();
  table_.reset();  // gives back its leases
}

void Publisher::Loop() {
  milliseconds poll{0};
  milliseconds gap{0};
  milliseconds backoff = config_.backoff;
  auto counted = SteadyClock::now();
  while (nudged_.Wait(poll, gap)) {
    const Result<size_t> published = PublishBatch();
    if (!published) {
      failures_.Add();
      obs::Log(obs::Level::kWarning, "outbox_publish_failed",
               {{"service", config_.service},
                {"reason", published.error().reason},
                {"detail", published.error().detail}});
      poll = gap = backoff;
      backoff = std::min(backoff * 2, config_.max_backoff);
    } else {
      backoff = config_.backoff;
      if (more_) {
        poll = gap = milliseconds(0);
      } else if (*published > 0) {
        gap = config_.min_gap;
        poll = std::max(gap, config_.min_poll);
      } else {
        gap = milliseconds(0);
        poll = std::min(std::max(poll * 2, config_.min_poll), config_.max_poll);
      }
    }
    // Not at each nudge: where others publish, or nobody can, something waits for long.
    if (SteadyClock::now() - counted > std::chrono::seconds(1)) {
      Count();
      counted = SteadyClock::now();
    }
  }
  // As many as are counted now: where other replicas go on writing, the outbox is never found empty.
  Count();
  for (int64_t left = Pending(); left > 0;) {
    const size_t published = PublishBatch().value_or(0);
    if (published == 0) break;
    left -= static_cast<int64_t>(published);
  }
  Count();
}

Result<size_t> Publisher::PublishBatch() {
  BOXOFFICE_TRY(DeleteAcknowledged());
  read_.clear();
  BOXOFFICE_ASSIGN(more_, table_->Read(config_.batch, events_, read_));
  if (read_.empty()) return 0;
  const std::span<const bus::Event> events = std::span(events_).first(read_.size());
  if (MUTANT("outbox_erase_first")) BOXOFFICE_TRY(table_->Erase(read_));
  std::vector<obs::Span> spans = BeginSpans(std::span(events_).first(read_.size()), config_.service);
  const Result<void> taken = bus_.Publish(events);
  EndSpans(std::move(spans), taken);
  if (!taken && !MUTANT("outbox_erase_unread")) return std::unexpected(taken.error());
  published_.Add(events.size());
  const Timestamp now = clock_.Now();
  for (const bus::Event& event : events) {
    lag_seconds_.Observe(std::chrono::duration<double>(now - event.time).count());
  }
  std::swap(acknowledged_, read_);
  BOXOFFICE_TRY(DeleteAcknowledged());
  return events.size();
}

// Before more is read: what the bus has already taken is published twice only by a crash, or where the
// numbers have become doubtful.
Result<void> Publisher::DeleteAcknowledged() {
  if (acknowledged_.empty()) return {};
  const Result<void> erased = table_->Erase(acknowledged_);
  if (!erased && erased.error().reason != kNumbersDoubtful) return erased;
  acknowledged_.clear();
  return {};
}

void Publisher::Count() {
  const Result<Status> counted = table_->Count();
  if (!counted) {
    obs::Log(obs::Level::kWarning, "outbox_count_failed",
             {{"service", config_.service},
              {"reason", counted.error().reason},
              {"detail", counted.error().detail}});
    return;
  }
  pending_gauge_.Set(static_cast<double>(counted->pending));
  oldest_gauge_.Set(counted->oldest ? static_cast<double>(ToUnixMs(*counted->oldest)) / 1000 : 0);
  const std::scoped_lock lock(status_mutex_);
  status_ = *counted;
}

Status Publisher::status() const {
  const std::scoped_lock lock(status_mutex_);
  return status_;
}

}  // namespace boxoffice::outbox
