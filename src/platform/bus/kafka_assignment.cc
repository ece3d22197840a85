// A subscription's partitions: how they come, go, and where they are committed to.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "platform/bus/kafka_lag.h"
#include "platform/bus/kafka_reader.h"
#include "platform/bus/kafka_subscription.h"
#include "platform/obs/log.h"

namespace boxoffice::bus::kafka {
namespace {

constexpr milliseconds kAskLagEvery{2'000};
// It keeps the group waiting. The answer comes after those to fetches, which wait for half a second each.
constexpr milliseconds kLongestAsk{2'000};

void LogCommitFailed(const std::string& group, rd_kafka_resp_err_t error) {
  obs::Log(obs::Level::kWarning, "kafka_commit_failed",
           {{"group", group}, {"detail", rd_kafka_err2str(error)}});
}

}  // namespace

void Subscription::OnRebalance(rd_kafka_t*, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* list,
                               void* self) {
  auto& subscription = *static_cast<Subscription*>(self);
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    subscription.Assign(*list);
  } else {
    subscription.Revoke();
  }
}

void Subscription::Assign(const rd_kafka_topic_partition_list_t& list) {
  assigned_ = false;
  pending_.clear();
  places_.clear();
  untaken_.clear();
  // librdkafka assigns nothing before the commits of the last assignment have their answers, and its
  // partitions are given up.
  TakeAnswer(milliseconds(0));
  queues_.Drain();
  committing_ = false;
  std::vector<Part> dead;
  if (const Result<void> loaded = LoadPlaces(list, dead); !loaded) {
    obs::Log(obs::Level::kError, "kafka_assignment_failed",
             {{"group", group_}, {"reason", loaded.error().reason}, {"detail", loaded.error().detail}});
    for (const auto& [key, place] : places_) untaken_.emplace(key, place.next);
    places_.clear();
    reopen_ = true;
    rd_kafka_assign(client_.get(), nullptr);
    return;
  }
  const Partitions assigned = NewPartitions();
  for (const auto& [key, place] : places_) {
    rd_kafka_topic_partition_list_add(assigned.get(), (config_.prefix + key.first).c_str(), key.second)
        ->offset = place.next;
  }
  for (const Part& part : dead) {
    rd_kafka_topic_partition_list_add(assigned.get(), part.topic.c_str(), part.partition)->offset = part.next;
  }
  rd_kafka_assign(client_.get(), assigned.get());
  queues_.Keep(client_.get(), *assigned);
  assigned_ = true;
  reopened_ = 0;
  obs::Log(obs::Level::kInfo, "kafka_assigned", {{"group", group_}, {"partitions", list.cnt}});
  not_before_ = SteadyClock::now();
  Commit();  // a new group: from now on it is known where it begins
}

// Nothing is in flight: the consumer runs on this thread.
void Subscription::Revoke() {
  // Of partitions that others have by now, nothing may be said any more.
  if (rd_kafka_assignment_lost(client_.get()) == 0) CommitAndWait();
  SetPaused(false);  // a pause would outlast the assignment
  assigned_ = false;
  pending_.clear();
  places_.clear();
  rd_kafka_assign(client_.get(), nullptr);
}

Result<void> Subscription::LoadPlaces(const rd_kafka_topic_partition_list_t& list, std::vector<Part>& parts) {
  if (list.cnt == 0) return {};
  BOXOFFICE_TRY(LoadOffsets(list));
  BOXOFFICE_ASSIGN(Reader reader, Reader::Open(config_));
  std::map<std::string, int> counts;  // of partitions, by topic
  for (const auto& [key, place] : places_) {
    const Part& part = parts.emplace_back(DeadTopicName(config_, key.first, group_), key.second, 0);
    if (!counts.contains(part.topic)) {
      BOXOFFICE_ASSIGN(counts[part.topic],
                       PartitionCount(reader.client(), part.topic, config_.request_timeout));
    }
    if (part.partition >= counts[part.topic]) {
      return Fail(Code::kUnavailable, "bus_topic_missing",
                  fmt::format("{} has no partition {}", part.topic, part.partition));
    }
  }
  const auto take = [&](const rd_kafka_message_t& message) {
    const std::string_view name = rd_kafka_topic_name(message.rkt);
    const auto part = std::ranges::find_if(parts, [&](const Part& candidate) {
      return candidate.topic == name && candidate.partition == message.partition;
    });
    auto place = places_.begin();
    std::advance(place, part - parts.begin());  // they are in the same order
    Result<ParkedMessage> parked = ReadParked(message, config_);
    if (!parked) {
      obs::Log(obs::Level::kError, "event_malformed", {{"group", group_}, {"detail", parked.error().detail}});
    } else if (parked->event) {
      place->second.parked.Put(*std::move(parked->event));
    } else {
      place->second.parked.Erase(parked->offset);
    }
    return true;
  };
  BOXOFFICE_TRY(reader.Read(parts, take));
  // A group that has no place comes from the log's beginning, and its topic may have been made anew since:
  // the offsets of what is set aside say nothing of this log.
  for (auto& [key, place] : places_) {
    place.went_back = place.committed < 0 && !place.parked.keys().empty();
  }
  return {};
}

Result<void> Subscription::LoadOffsets(const rd_kafka_topic_partition_list_t& list) {
  const Partitions committed(rd_kafka_topic_partition_list_copy(&list));
  if (const auto error = rd_kafka_committed(client_.get(), committed.get(), Ms(config_.request_timeout))) {
    return Failed(error, "committed offsets");
  }
  for (const rd_kafka_topic_partition_t& part : Elements(*committed)) {
    if (part.err != RD_KAFKA_RESP_ERR_NO_ERROR) return Failed(part.err, part.topic);
    Place place;
    if (part.offset >= 0) {
      place.next = place.committed = part.offset;
    } else {
      int64_t high = 0;
      if (const auto error = rd_kafka_query_watermark_offsets(
              client_.get(), part.topic, part.partition, &place.next, &high, Ms(config_.request_timeout))) {
        return Failed(error, part.topic);
      }
    }
    place.arrived = place.next;
    places_.emplace(PlaceKey(TopicOf(part.topic), part.partition), std::move(place));
  }
  return {};
}

// One at a time. What a coordinator could not take yet (it was loading, timed out or moved), librdkafka sends
// again, 100 ms later or when a coordinator is found. A commit that was sent in between would get through
// first, and be taken back by the older one, and as both succeed nobody would know: what was consumed would
// count as lag until the next event came.
void Subscription::Commit() {
  if (committing_) return;
  const Partitions list = NewPartitions();
  for (const auto& [key, place] : places_) {
    // Until what is set aside stands before a log that went back, whoever comes next has to see that it did.
    if (place.next == place.committed || place.went_back) continue;
    rd_kafka_topic_partition_list_add(list.get(), (config_.prefix + key.first).c_str(), key.second)->offset =
        place.next;
  }
  if (list->cnt == 0) return;
  if (const auto error = rd_kafka_commit_queue(client_.get(), list.get(), answers_.get(), nullptr, nullptr)) {
    LogCommitFailed(group_, error);
    return;
  }
  committing_ = true;
}

bool Subscription::TakeAnswer(milliseconds longest) {
  if (!committing_) return false;
  const Owned<rd_kafka_event_t> answer(rd_kafka_queue_poll(answers_.get(), Ms(longest)));
  if (!answer) return false;
  committing_ = false;
  if (const auto error = rd_kafka_event_error(answer.get())) {
    LogCommitFailed(group_, error);
    return false;  // of some partitions or all: all are committed again
  }
  const rd_kafka_topic_partition_list_t* list = rd_kafka_event_topic_partition_list(answer.get());
  if (list == nullptr) return false;
  for (const rd_kafka_topic_partition_t& part : Elements(*list)) {
    const auto place = places_.find({TopicOf(part.topic), part.partition});
    if (place != places_.end() && part.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      place->second.committed = part.offset;
    }
  }
  return true;
}

void Subscription::CommitAndWait() {
  const auto end = SteadyClock::now() + config_.commit_timeout;
  const auto left = [end] {
    return std::max(std::chrono::ceil<milliseconds>(end - SteadyClock::now()), milliseconds(0));
  };
  TakeAnswer(left());  // what that commit leaves is in this one
  Commit();
  TakeAnswer(left());
  if (committing_) LogCommitFailed(group_, RD_KAFKA_RESP_ERR__TIMED_OUT);
}

void Subscription::SetPaused(bool paused) {
  if (paused_ == paused || places_.empty()) return;
  const Partitions list = NewPartitions();
  for (const auto& [key, place] : places_) {
    rd_kafka_topic_partition_list_add(list.get(), (config_.prefix + key.first).c_str(), key.second);
  }
  if (paused) {
    rd_kafka_pause_partitions(client_.get(), list.get());
  } else {
    rd_kafka_resume_partitions(client_.get(), list.get());
  }
  paused_ = paused;
}

void Subscription::ShowLag() {
  int64_t lag = 0;
  size_t parked = 0;
  for (const auto& [key, place] : places_) {
    parked += place.parked.keys().size();
    int64_t low = 0;
    int64_t high = 0;
    if (rd_kafka_get_watermark_offsets(client_.get(), (config_.prefix + key.first).c_str(), key.second, &low,
                                       &high) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      lag += std::max(high - place.next, int64_t{0});
    }
  }
  // Between two assignments, as while the cluster is away, both stay what they were.
  if (assigned_) parked_gauge_.Set(static_cast<double>(parked));
  if (paused_ || !untaken_.empty()) {
    AskLag();
  } else if (assigned_) {
    lag_.Set(static_cast<double>(lag));
  }
}

// While nothing is fetched, the client is told of no ends: a group that waits would look as if nothing came,
// and one that can't take its partitions (a dead-letter topic is missing) as if there were nothing to do.
// Where the cluster does not tell, the lag stays what it was.
void Subscription::AskLag() {
  const auto now = SteadyClock::now();
  if (now - lag_asked_ < kAskLagEvery) return;
  lag_asked_ = now;
  std::map<PlaceKey, int64_t> next = untaken_;
  for (const auto& [key, place] : places_) next.emplace(key, place.next);
  const Partitions list = NewPartitions();
  for (const auto& [key, offset] : next) {
    rd_kafka_topic_partition_list_add(list.get(), (config_.prefix + key.first).c_str(), key.second);
  }
  const Result<Partitions> ends = Bounds(client_.get(), *list, RD_KAFKA_OFFSET_END, kLongestAsk);
  if (!ends) return;
  int64_t lag = 0;
  for (const rd_kafka_topic_partition_t& end : Elements(**ends)) {
    lag += std::max(end.offset - next.at({TopicOf(end.topic), end.partition}), int64_t{0});
  }
  lag_.Set(static_cast<double>(lag));
}

}  // namespace boxoffice::bus::kafka
