#include "services/queue/store_redis.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.h"
#include "services/queue/store_redis_history.h"
#include "services/queue/store_redis_leader.h"
#include "services/queue/store_redis_reader.h"
#include "services/queue/store_redis_row.h"

namespace boxoffice::queue {
namespace {

using redis::Request;

// A show's part of a save, all or nothing. What it is told: the version that the show was loaded with ("":
// only sagas are saved) and its stamp ("": not known); how long rows live; then lists, each after its length,
// of which the first is the show's row. The version closes the race between two replicas that loaded the same
// show: the second one changes nothing.
constexpr std::string_view kSaveText = R"lua(
local show, member, saga = KEYS[1], KEYS[2], KEYS[3]
if ARGV[1] ~= '' then
  local now = redis.call('HMGET', show, 'version', 'stamp')
  if (now[1] or '0') ~= ARGV[1] or (ARGV[2] ~= '' and now[2] ~= ARGV[2]) then return 0 end
end
local life, at = ARGV[3], 4
local function list()
  local first = at + 1
  at = first + tonumber(ARGV[at])
  return first, at - 1
end
-- With every item of the next list, some thousands at a time, which is what Lua can unpack. Even: of pairs, too.
local function run(command, key)
  local first, last = list()
  for from = first, last, 4000 do
    redis.call(command, key, unpack(ARGV, from, math.min(from + 3999, last)))
  end
  return first <= last
end
run('HSET', show)
if run('SADD', member) then redis.call('PEXPIRE', member, life) end
run('SREM', member)
local first, last = list()
for i = first, last do
  local id = string.sub(ARGV[i], 1, 16)
  for _, old in ipairs(redis.call('ZRANGEBYLEX', saga, '[' .. id, '(' .. id .. '\255')) do
    redis.call('ZREM', saga, old)
  end
  redis.call('ZADD', saga, 0, ARGV[i])
end
if first <= last then redis.call('PEXPIRE', saga, life) end
for bucket = 4, #KEYS, 2 do
  local session, binding = KEYS[bucket], KEYS[bucket + 1]
  if run('HSET', session) then redis.call('PEXPIRE', session, life) end
  if run('HSET', binding) then redis.call('PEXPIRE', binding, life) end
  run('HDEL', binding)
end
return 1
)lua";

const redis::Script& SaveScript() {
  static const redis::Script script(kSaveText);
  return script;
}

// A list as the script reads it.
void Append(std::vector<std::string>& arguments, std::vector<std::string> list) {
  arguments.push_back(fmt::to_string(list.size()));
  std::ranges::move(list, std::back_inserter(arguments));
}

// Field, value, …; with the version that the save makes it.
std::vector<std::string> ShowRow(const Show& show, const std::string& stamp) {
  std::vector<std::string> row{"stamp", stamp};
  const auto put = [&row](std::string_view field, auto value) {
    row.emplace_back(field);
    row.push_back(fmt::to_string(value));
  };
  put("version", show.version + 1);
  put("state", static_cast<int>(show.settings.state));
  put("rate", show.settings.rate_per_s);
  put("cap", show.settings.active_cap);
  put("opens", ToUnixMs(show.settings.opens_at));
  put("last", show.last_sequence);
  put("head", show.head_sequence);
  put("completed", show.completed);
  put("expired", show.expired);
  put("left", show.left);
  put("admitted", show.admitted);
  if (const Draw& draw = show.draw; !draw.seed.empty()) {
    row.insert(row.end(), {"seed", draw.seed});
    put("first", draw.first);
    put("entrants", draw.entrants);
    put("drawn", ToUnixMs(draw.drawn_at));
  }
  return row;
}

// What a save changes of one show.
class ShowSave {
 public:
  explicit ShowSave(int64_t show_id) : show_id_(show_id) {}

  void Take(const ShowChange& change) {
    show_ = &change.show;
    for (const SessionChange& session : change.sessions) {
      if (session.Durable()) Take(session);
    }
  }
  void Take(const SagaRecord& record) { sagas_.push_back(PackSaga(record)); }
  [[nodiscard]] bool HasShow() const { return show_ != nullptr; }

  // Gives away what it has.
  [[nodiscard]] Request ToRequest(const std::string& stamp, const std::string& new_stamp) {
    std::vector<std::string> keys{KeyOf(show_id_, "show"), KeyOf(show_id_, "member"),
                                  KeyOf(show_id_, "saga")};
    std::vector<std::string> arguments{HasShow() ? fmt::to_string(show_->version) : "", stamp,
                                       fmt::to_string(kKeyLife.count())};
    Append(arguments, HasShow() ? ShowRow(*show_, new_stamp) : std::vector<std::string>());
    Append(arguments, std::move(joins_members_));
    Append(arguments, std::move(leaves_members_));
    Append(arguments, std::move(sagas_));
    for (auto& [number, bucket] : buckets_) {
      keys.push_back(BucketKey(show_id_, "session", number));
      keys.push_back(BucketKey(show_id_, "binding", number));
      Append(arguments, std::move(bucket.sessions));
      Append(arguments, std::move(bucket.bindings));
      Append(arguments, std::move(bucket.unbound));
    }
    return Request::Call(SaveScript(), std::move(keys), std::move(arguments));
  }

 private:
  struct Bucket {
    std::vector<std::string> sessions;  // field, row, …
    std::vector<std::string> bindings;  // field, row, …
    std::vector<std::string> unbound;   // fields
  };

  void Take(const SessionChange& change) {
    const Session& session = change.session;
    Bucket& bucket = buckets_[BucketOf(session.sequence)];
    if (change.parts.row) {
      bucket.sessions.push_back(FieldOf(session.sequence));
      bucket.sessions.push_back(PackSession(session));
    }
    if (change.parts.binding && session.saga.IsNil()) {
      bucket.unbound.push_back(FieldOf(session.sequence));
    } else if (change.parts.binding) {
      bucket.bindings.push_back(FieldOf(session.sequence));
      bucket.bindings.push_back(PackBinding(session));
    }
    if (change.parts.membership) {
      std::vector<std::string>& list = session.Member() ? joins_members_ : leaves_members_;
      list.push_back(fmt::to_string(session.sequence));
    }
  }

  int64_t show_id_;
  const Show* show_ = nullptr;
  std::map<uint64_t, Bucket> buckets_;
  std::vector<std::string> joins_members_;
  std::vector<std::string> leaves_members_;
  std::vector<std::string> sagas_;
};

class RedisStore final : public Store {
 public:
  explicit RedisStore(std::unique_ptr<redis::Client> client)
      : client_(std::move(client)), reader_(*client_), random_(SystemSeed()) {}

  // First the rows, then what belongs to them: what changes meanwhile has raised the version, so that nothing
  // is saved on the ground of such a mixture. The members before the lines: somebody who is admitted
  // meanwhile is then in neither list, and nobody is in both.
  Result<void> VisitLive(const std::function<void(Show)>& on_show,
                         const std::function<void(Session)>& on_session) override {
    stamps_.clear();
    BOXOFFICE_ASSIGN(const std::vector<int64_t> show_ids, reader_.ShowIds());
    std::vector<Request> requests;
    for (const int64_t show_id : show_ids)
      requests.push_back(Request::Command({"HGETALL", KeyOf(show_id, "show")}));
    BOXOFFICE_ASSIGN(const std::vector<redis::Reply> replies, reader_.Read(requests));
    std::vector<Show> shows;
    for (size_t i = 0; i < show_ids.size(); ++i) {
      std::optional<StoredShow> stored = ReadShow(show_ids[i], replies[i].value());
      if (!stored) continue;  // announced, and its first save never came
      stamps_[show_ids[i]] = std::move(stored->stamp);
      on_show(stored->show);
      shows.push_back(std::move(stored->show));
    }
    requests.clear();
    for (const Show& show : shows)
      requests.push_back(Request::Command({"SMEMBERS", KeyOf(show.show_id, "member")}));
    BOXOFFICE_ASSIGN(const std::vector<redis::Reply> members, reader_.Read(requests));
    for (size_t i = 0; i < shows.size(); ++i)
      BOXOFFICE_TRY(VisitShow(shows[i], members[i].value(), on_session));
    return {};
  }

  Result<Found> Load(const Keys& keys) override {
    Found found;
    BOXOFFICE_ASSIGN(found.sessions, reader_.Sessions(keys.sessions));
    std::vector<Request> requests;
    for (const SagaKey& key : keys.sagas) {
      const std::string id(key.saga.bytes());
      requests.push_back(
          Request::Command({"ZRANGEBYLEX", KeyOf(key.show_id, "saga"), "[" + id, "(" + id + "\xff"}));
    }
    BOXOFFICE_ASSIGN(const std::vector<redis::Reply> replies, reader_.Read(requests));
    for (size_t i = 0; i < keys.sagas.size(); ++i) {
      const auto record = UnpackSaga(replies[i].value()[0].Text(), keys.sagas[i].show_id);
      if (record) found.sagas.push_back(*record);
    }
    return found;
  }

  Result<Saved> Save(const Changes& changes) override {
    std::map<int64_t, ShowSave> saves;
    std::vector<std::string> announce{"SADD", std::string(kShowsKey)};
    const auto of = [&](int64_t show_id) -> ShowSave& {
      return saves.try_emplace(show_id, show_id).first->second;
    };
    for (const ShowChange& change : changes.shows) {
      if (!change.durable) continue;
      of(change.show.show_id).Take(change);
      if (change.show.version == 0) announce.push_back(fmt::to_string(change.show.show_id));
    }
    for (const SagaRecord& record : changes.sagas) of(record.session.show_id).Take(record);
    // Before its first save, so that no show is ever stored and not listed; and again at each attempt of one
    // that does not know better, so that a list that was lost comes back.
    if (announce.size() > 2) {
      BOXOFFICE_TRY(reader_.Read({Request::Command(std::move(announce))}));
    }
    std::vector<Request> requests;
    const std::string stamp = fmt::format("{:016x}", random_.Next());
    for (auto& [show_id, save] : saves) {
      const auto known = stamps_.find(show_id);
      requests.push_back(save.ToRequest(known != stamps_.end() ? known->second : "", stamp));
    }
    const std::vector<Result<redis::Reply>> replies = client_->RunAll(requests);
    Saved saved;
    bool some = false;
    std::optional<Error> error;
    size_t i = 0;
    for (const auto& [show_id, save] : saves) {
      const Result<redis::Reply>& reply = replies[i++];
      if (!reply) {
        if (!error || reply.error().code == Code::kUnknown) error = reply.error();
      } else if (reply->value().Int() == 0) {
        saved.moved_shows.push_back(show_id);
      } else {
        if (save.HasShow()) stamps_[show_id] = stamp;
        some = true;
      }
    }
    if (!error) return saved;
    if (some) error->code = Code::kUnknown;  // of the whole it is not true that nothing was done
    return std::unexpected(*std::move(error));
  }

  Result<Purged> Purge(Timestamp before, int64_t limit) override {
    if (to_purge_.empty()) {
      BOXOFFICE_ASSIGN(to_purge_, reader_.ShowIds());
    }
    Purged purged;
    for (size_t i = 0; i < kPurgedAtOnce && !to_purge_.empty() && purged.rows < limit; ++i) {
      const int64_t show_id = to_purge_.back();
      to_purge_.pop_back();  // also if it fails, so that the others have their turn
      BOXOFFICE_ASSIGN(const int64_t sessions, PurgeSessions(show_id, before, limit));
      BOXOFFICE_ASSIGN(const int64_t sagas, PurgeSagas(show_id, before, limit));
      purged.rows += sessions + sagas;
    }
    purged.more = !to_purge_.empty();
    return purged;
  }

 private:
  Result<void> VisitShow(const Show& show, redis::Value member_sequences,
                         const std::function<void(Session)>& on_session) {
    BOXOFFICE_ASSIGN(const std::vector<Session> members, Members(show, member_sequences));
    auto member = members.begin();
    const bool anybody_waits = show.NobodyWaitsUpTo() < show.last_sequence;
    const uint64_t last = BucketOf(show.last_sequence);
    for (uint64_t bucket = BucketOf(show.NobodyWaitsUpTo() + 1); anybody_waits && bucket <= last;
         bucket += kBucketsInOneGo) {
      BOXOFFICE_ASSIGN(
          std::vector<Session> line,
          reader_.Sessions(show.show_id, bucket, std::min(bucket + kBucketsInOneGo - 1, last), false));
      for (Session& session : line) {
        const bool waits = session.state == SessionState::kWaiting &&
                           session.sequence > show.NobodyWaitsUpTo() &&
                           session.sequence <= show.last_sequence;
        if (!waits) continue;
        while (member != members.end() && member->sequence < session.sequence) on_session(*member++);
        if (member != members.end() && member->sequence == session.sequence) continue;
        on_session(std::move(session));
      }
    }
    while (member != members.end()) on_session(*member++);
    return {};
  }

  // ACTIVE, or EXPIRED while bound; by sequence.
  Result<std::vector<Session>> Members(const Show& show, redis::Value sequences) {
    std::vector<SessionKey> keys;
    for (size_t i = 0; i < sequences.size(); ++i) {
      keys.push_back({show.show_id, static_cast<uint64_t>(sequences[i].Int())});
    }
    std::ranges::sort(keys);
    std::vector<Session> members;
    constexpr size_t kKeys = kBucketsInOneGo * kBucketSize / 2;
    for (size_t i = 0; i < keys.size(); i += kKeys) {
      const auto page = std::span(keys).subspan(i, std::min(kKeys, keys.size() - i));
      BOXOFFICE_ASSIGN(std::vector<Session> sessions, reader_.Sessions(page));
      for (Session& session : sessions) {
        if (session.Member() && session.sequence <= show.last_sequence) members.push_back(std::move(session));
      }
    }
    return members;
  }

  // From the first bucket that may hold something. What ended stays as it is, so that nothing can change
  // between the reading and the deleting; and who joined later stands behind, so that it ends at the first
  // one of those. A bucket counts as a full one, though all of it may have gone by itself: each is a round
  // trip, for which batches wait.
  Result<int64_t> PurgeSessions(int64_t show_id, Timestamp before, int64_t limit) {
    BOXOFFICE_ASSIGN(const std::vector<redis::Reply> replies,
                     reader_.Read({Request::Command({"HMGET", KeyOf(show_id, "show"), "last", "purged"})}));
    const uint64_t last = BucketOf(static_cast<uint64_t>(replies[0].value()[0].Int()));
    const auto first = static_cast<uint64_t>(replies[0].value()[1].Int());
    const uint64_t end = std::min(last, first + static_cast<uint64_t>(limit) / kBucketSize);
    uint64_t empty = first;  // all buckets before are
    int64_t purged = 0;
    bool more = true;
    for (uint64_t bucket = first; bucket <= end && more; ++bucket) {
      BOXOFFICE_ASSIGN(const std::vector<Session> sessions, reader_.Sessions(show_id, bucket, bucket, false));
      std::vector<uint64_t> ended;
      for (const Session& session : sessions) {
        more = limit-- > 0 && session.joined_at < before;
        if (!more) break;
        if (!session.Live()) ended.push_back(session.sequence);
      }
      BOXOFFICE_TRY(Delete(show_id, bucket, ended));
      purged += static_cast<int64_t>(ended.size());
      if (ended.size() == sessions.size() && empty == bucket && bucket < last) ++empty;
    }
    if (empty > first) {
      BOXOFFICE_TRY(reader_.Read(
          {Request::Command({"HSET", KeyOf(show_id, "show"), "purged", fmt::to_string(empty)})}));
    }
    return purged;
  }

  // The rows last, so that what a failure leaves is found again.
  Result<void> Delete(int64_t show_id, uint64_t bucket, const std::vector<uint64_t>& sequences) {
    if (sequences.empty()) return {};
    std::vector<std::string> members{"SREM", KeyOf(show_id, "member")};
    std::vector<std::string> bindings{"HDEL", BucketKey(show_id, "binding", bucket)};
    std::vector<std::string> sessions{"HDEL", BucketKey(show_id, "session", bucket)};
    for (const uint64_t sequence : sequences) {
      members.push_back(fmt::to_string(sequence));
      bindings.push_back(FieldOf(sequence));
      sessions.push_back(FieldOf(sequence));
    }
    BOXOFFICE_TRY(reader_.Read({Request::Command(std::move(members)), Request::Command(std::move(bindings)),
                                Request::Command(std::move(sessions))}));
    return {};
  }

  // A saga's id begins with the time at which it was made, and what became of it was recorded after that.
  Result<int64_t> PurgeSagas(int64_t show_id, Timestamp before, int64_t limit) {
    const std::string key = KeyOf(show_id, "saga");
    BOXOFFICE_ASSIGN(const std::vector<redis::Reply> replies,
                     reader_.Read({Request::Command({"ZRANGEBYLEX", key, "-", "(" + SagaIdsFrom(before),
                                                     "LIMIT", "0", fmt::to_string(limit)})}));
    const redis::Value sagas = replies[0].value();
    std::vector<std::string> remove{"ZREM", key};
    for (size_t i = 0; i < sagas.size(); ++i) {
      const auto record = UnpackSaga(sagas[i].Text(), show_id);
      if (record && record->recorded_at < before) remove.emplace_back(sagas[i].Text());
    }
    const auto count = static_cast<int64_t>(remove.size() - 2);
    if (count > 0) BOXOFFICE_TRY(reader_.Read({Request::Command(std::move(remove))}));
    return count;
  }

  const std::unique_ptr<redis::Client> client_;
  RedisReader reader_;
  SeededRandom random_;
  // What the last save of each show left, as far as this store has seen it.
  std::unordered_map<int64_t, std::string> stamps_;
  std::vector<int64_t> to_purge_;  // shows that are left of the round
};

}  // namespace

Result<Stores> OpenRedis(std::string_view url, const redis::Options& options, milliseconds lease) {
  BOXOFFICE_ASSIGN(auto writing, redis::Client::Open(url, options));
  BOXOFFICE_ASSIGN(auto reading, redis::Client::Open(url, options));
  BOXOFFICE_ASSIGN(auto leading, redis::Client::Open(url, options));
  Stores stores;
  stores.store = std::make_unique<RedisStore>(std::move(writing));
  stores.history = MakeRedisHistory(std::move(reading));
  stores.leadership = std::make_unique<RedisLeadership>(std::move(leading), lease);
  return stores;
}

}  // namespace boxoffice::queue
