#include "services/queue/store_redis_reader.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "services/queue/store_redis_row.h"

namespace boxoffice::queue {
namespace {

using redis::Request;

std::unexpected<Error> Malformed(const Session& session) {
  return Fail(Code::kInternal, "row_malformed",
              fmt::format("session {} of show {}", session.sequence, session.show_id));
}
Result<void> Unpack(std::string_view row, Session& session) {
  if (!UnpackSession(row, session)) return Malformed(session);
  return {};
}
Result<void> Bind(redis::Value bindings, uint64_t bucket, std::span<Session> sessions) {
  for (size_t i = 0; i + 1 < bindings.size(); i += 2) {
    const uint64_t sequence = bucket * kBucketSize + static_cast<uint64_t>(bindings[i].Int());
    const auto session = std::ranges::lower_bound(sessions, sequence, {}, &Session::sequence);
    if (session == sessions.end() || session->sequence != sequence) continue;
    if (!UnpackBinding(bindings[i + 1].Text(), *session)) return Malformed(*session);
  }
  return {};
}

}  // namespace

std::string RedisReader::Part(std::string_view part) const { return prefix_ + std::string(part); }

Result<std::vector<redis::Reply>> RedisReader::Read(const std::vector<Request>& requests) {
  std::vector<redis::Reply> replies;
  if (requests.empty()) return replies;
  replies.reserve(requests.size());
  for (Result<redis::Reply>& reply : client_.RunAll(requests)) {
    if (!reply && reply.error().code == Code::kUnknown) reply.error().code = Code::kUnavailable;
    if (!reply) return std::unexpected(std::move(reply).error());
    replies.push_back(*std::move(reply));
  }
  return replies;
}

Result<std::vector<int64_t>> RedisReader::ShowIds() {
  BOXOFFICE_ASSIGN(const std::vector<redis::Reply> replies,
                   Read({Request::Command({"SMEMBERS", std::string(kShowsKey)})}));
  const redis::Value ids = replies[0].value();
  std::vector<int64_t> show_ids;
  for (size_t i = 0; i < ids.size(); ++i) show_ids.push_back(ids[i].Int());
  std::ranges::sort(show_ids);
  return show_ids;
}

Result<std::vector<Session>> RedisReader::Sessions(int64_t show_id, uint64_t first, uint64_t last,
                                                   bool bindings) {
  const std::string session_part = Part("session");
  const std::string binding_part = Part("binding");
  std::vector<Request> requests;
  for (uint64_t bucket = first; bucket <= last; ++bucket) {
    requests.push_back(Request::Command({"HGETALL", BucketKey(show_id, session_part, bucket)}));
    if (bindings) requests.push_back(Request::Command({"HGETALL", BucketKey(show_id, binding_part, bucket)}));
  }
  BOXOFFICE_ASSIGN(const std::vector<redis::Reply> replies, Read(requests));
  std::vector<Session> sessions;
  size_t reply = 0;
  for (uint64_t bucket = first; bucket <= last; ++bucket) {
    const redis::Value rows = replies[reply++].value();
    const size_t before = sessions.size();
    for (size_t i = 0; i + 1 < rows.size(); i += 2) {
      Session session{.show_id = show_id,
                      .sequence = bucket * kBucketSize + static_cast<uint64_t>(rows[i].Int())};
      BOXOFFICE_TRY(Unpack(rows[i + 1].Text(), session));
      sessions.push_back(std::move(session));
    }
    const std::span<Session> added = std::span(sessions).subspan(before);
    std::ranges::sort(added, {}, &Session::sequence);
    if (bindings) BOXOFFICE_TRY(Bind(replies[reply++].value(), bucket, added));
  }
  return sessions;
}

Result<std::vector<Session>> RedisReader::Sessions(std::span<const SessionKey> keys) {
  std::vector<Request> requests;
  for (const SessionKey& key : keys) {
    for (const std::string& part : {Part("session"), Part("binding")}) {
      requests.push_back(Request::Command(
          {"HGET", BucketKey(key.show_id, part, BucketOf(key.sequence)), FieldOf(key.sequence)}));
    }
  }
  BOXOFFICE_ASSIGN(const std::vector<redis::Reply> replies, Read(requests));
  std::vector<Session> sessions;
  for (size_t i = 0; i < keys.size(); ++i) {
    const redis::Value row = replies[2 * i].value();
    const redis::Value binding = replies[2 * i + 1].value();
    if (row.IsNil()) continue;
    Session session{.show_id = keys[i].show_id, .sequence = keys[i].sequence};
    BOXOFFICE_TRY(Unpack(row.Text(), session));
    if (!binding.IsNil() && !UnpackBinding(binding.Text(), session)) return Malformed(session);
    sessions.push_back(std::move(session));
  }
  return sessions;
}

std::optional<StoredShow> ReadShow(int64_t show_id, redis::Value row) {
  std::map<std::string_view, redis::Value> fields;
  for (size_t i = 0; i + 1 < row.size(); i += 2) fields.emplace(row[i].Text(), row[i + 1]);
  const auto number = [&](std::string_view name) {
    const auto field = fields.find(name);
    return field != fields.end() ? field->second.Int() : 0;
  };
  if (number("version") == 0) return std::nullopt;
  StoredShow stored{.show = {.show_id = show_id,
                             .version = number("version"),
                             .settings = {.active_cap = static_cast<uint32_t>(number("cap")),
                                          .state = static_cast<QueueState>(number("state")),
                                          .opens_at = FromUnixMs(number("opens"))},
                             .last_sequence = static_cast<uint64_t>(number("last")),
                             .head_sequence = static_cast<uint64_t>(number("head")),
                             .completed = static_cast<uint64_t>(number("completed")),
                             .expired = static_cast<uint64_t>(number("expired")),
                             .left = static_cast<uint64_t>(number("left")),
                             .admitted = static_cast<uint64_t>(number("admitted")),
                             .draw = {.first = static_cast<uint64_t>(number("first")),
                                      .entrants = static_cast<uint64_t>(number("entrants")),
                                      .drawn_at = FromUnixMs(number("drawn"))}}};
  if (const auto rate = fields.find("rate"); rate != fields.end()) {
    const std::string_view text = rate->second.Text();
    std::from_chars(text.data(), text.data() + text.size(), stored.show.settings.rate_per_s);
  }
  if (const auto stamp = fields.find("stamp"); stamp != fields.end()) stored.stamp = stamp->second.Text();
  if (const auto seed = fields.find("seed"); seed != fields.end())
    stored.show.draw.seed = seed->second.Text();
  return stored;
}

}  // namespace boxoffice::queue
