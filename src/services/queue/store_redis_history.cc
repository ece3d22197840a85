#include "services/queue/store_redis_history.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.h"
#include "services/queue/store_redis_reader.h"
#include "services/queue/store_redis_row.h"

namespace boxoffice::queue {
namespace {

using redis::Request;

constexpr int kCopyAttempts = 20;
constexpr uint64_t kBucketsToCome = 16;  // of people who join between two round trips: 2,000
constexpr std::chrono::milliseconds kCopyLife = std::chrono::hours(1);

// Keys: each with the one that it is copied to, the show's row first. 0: the show has grown past what was
// named, and nothing was copied.
constexpr std::string_view kCopyText = R"lua(
local last = redis.call('HGET', KEYS[1], 'last')
if not last or math.floor(tonumber(last) / 128) > tonumber(ARGV[1]) then return 0 end
for i = 1, #KEYS, 2 do
  if redis.call('COPY', KEYS[i], KEYS[i + 1], 'REPLACE') == 1 then
    redis.call('PEXPIRE', KEYS[i + 1], ARGV[2])
  end
end
return 1
)lua";

const redis::Script& CopyScript() {
  static_assert(kBucketSize == 128);
  static const redis::Script script(kCopyText);
  return script;
}

class RedisHistory final : public History {
 public:
  explicit RedisHistory(std::unique_ptr<redis::Client> client)
      : client_(std::move(client)), reader_(*client_) {}
  ~RedisHistory() override {
    for (const auto& [show_id, copies] : copies_) Unlink(copies);
  }

  Result<std::vector<Show>> Shows() override {
    std::vector<int64_t> show_ids;
    if (frozen_) {
      for (const auto& [show_id, copies] : copies_) show_ids.push_back(show_id);
    } else {
      BOXOFFICE_ASSIGN(show_ids, reader_.ShowIds());
    }
    std::vector<Request> requests;
    for (const int64_t show_id : show_ids)
      requests.push_back(Request::Command({"HGETALL", KeyOf(show_id, reader_.Part("show"))}));
    BOXOFFICE_ASSIGN(const std::vector<redis::Reply> replies, reader_.Read(requests));
    std::vector<Show> shows;
    for (size_t i = 0; i < show_ids.size(); ++i) {
      std::optional<StoredShow> stored = ReadShow(show_ids[i], replies[i].value());
      if (stored) shows.push_back(std::move(stored->show));
      if (!stored && frozen_) return Gone(show_ids[i]);
    }
    return shows;
  }

  Result<void> Freeze() override {
    SeededRandom random(SystemSeed());
    const std::string prefix = fmt::format("backup-{:016x}:", random.Next());
    BOXOFFICE_ASSIGN(const std::vector<int64_t> show_ids, reader_.ShowIds());
    for (const int64_t show_id : show_ids) BOXOFFICE_TRY(Copy(show_id, prefix));
    reader_.ReadCopies(prefix);
    frozen_ = true;
    return {};
  }

  Result<std::vector<Session>> Sessions(int64_t show_id, uint64_t after, int64_t limit) override {
    BOXOFFICE_ASSIGN(
        const std::vector<redis::Reply> replies,
        reader_.Read({Request::Command({"HMGET", KeyOf(show_id, reader_.Part("show")), "last", "purged"})}));
    const uint64_t last = BucketOf(static_cast<uint64_t>(replies[0].value()[0].Int()));
    const auto first = static_cast<uint64_t>(replies[0].value()[1].Int());
    const size_t wanted = static_cast<size_t>(limit);
    const uint64_t page = std::min<uint64_t>(kBucketsInOneGo, wanted / kBucketSize + 2);
    std::vector<Session> sessions;
    for (uint64_t bucket = std::max(first, BucketOf(after + 1)); bucket <= last && sessions.size() < wanted;
         bucket += page) {
      BOXOFFICE_ASSIGN(std::vector<Session> read,
                       reader_.Sessions(show_id, bucket, std::min(bucket + page - 1, last), true));
      for (Session& session : read) {
        if (session.sequence > after && sessions.size() < wanted) sessions.push_back(std::move(session));
      }
    }
    BOXOFFICE_TRY(CheckStillThere(show_id));
    return sessions;
  }

  Result<std::vector<SagaRecord>> Sagas(int64_t show_id, SagaId after, int64_t limit) override {
    const std::string from = after.IsNil() ? "-" : fmt::format("({}\xff", after.bytes());
    BOXOFFICE_ASSIGN(const std::vector<redis::Reply> replies,
                     reader_.Read({Request::Command({"ZRANGEBYLEX", KeyOf(show_id, reader_.Part("saga")),
                                                     from, "+", "LIMIT", "0", fmt::to_string(limit)})}));
    const redis::Value rows = replies[0].value();
    std::vector<SagaRecord> sagas;
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto record = UnpackSaga(rows[i].Text(), show_id);
      if (!record) return Fail(Code::kInternal, "row_malformed", fmt::format("a saga of show {}", show_id));
      sagas.push_back(*record);
    }
    BOXOFFICE_TRY(CheckStillThere(show_id));
    return sagas;
  }

 private:
  // All of a show with what may be stored of it: `copies_` has the names of the copies.
  Result<void> Copy(int64_t show_id, const std::string& prefix) {
    for (int attempt = 0; attempt < kCopyAttempts; ++attempt) {
      BOXOFFICE_ASSIGN(const std::vector<redis::Reply> row,
                       reader_.Read({Request::Command({"HMGET", KeyOf(show_id, "show"), "last", "purged"})}));
      if (row[0].value()[0].IsNil()) return {};  // announced, and its first save never came
      const uint64_t first = static_cast<uint64_t>(row[0].value()[1].Int());
      const uint64_t last = BucketOf(static_cast<uint64_t>(row[0].value()[0].Int())) + kBucketsToCome;
      std::vector<std::string> keys;
      std::vector<std::string> copies;
      const auto add = [&](const auto& name) {
        keys.push_back(name(std::string()));
        keys.push_back(name(prefix));
        copies.push_back(keys.back());
      };
      for (const char* part : {"show", "saga"})
        add([&](const std::string& before) { return KeyOf(show_id, before + part); });
      for (uint64_t bucket = first; bucket <= last; ++bucket) {
        for (const char* part : {"session", "binding"})
          add([&](const std::string& before) { return BucketKey(show_id, before + part, bucket); });
      }
      copies_[show_id] = copies;
      const auto copied = client_->Run(Request::Call(
          CopyScript(), std::move(keys), {fmt::to_string(last), fmt::to_string(kCopyLife.count())}));
      if (!copied) return std::unexpected(copied.error());
      if (copied->value().Int() == 1) return {};
    }
    return Fail(Code::kUnavailable, "database_unavailable",
                fmt::format("show {} grows faster than it is copied", show_id));
  }

  // A copy that went while it was read would be missing without a word.
  Result<void> CheckStillThere(int64_t show_id) {
    if (!frozen_) return {};
    BOXOFFICE_ASSIGN(const std::vector<redis::Reply> replies,
                     reader_.Read({Request::Command({"EXISTS", KeyOf(show_id, reader_.Part("show"))})}));
    if (replies[0].value().Int() == 1) return {};
    return Gone(show_id);
  }
  static std::unexpected<Error> Gone(int64_t show_id) {
    return Fail(Code::kUnavailable, "database_unavailable",
                fmt::format("the copy of show {} has gone before it was read", show_id));
  }

  void Unlink(std::span<const std::string> copies) {
    constexpr size_t kKeys = 1'000;
    std::vector<Request> requests;
    for (size_t i = 0; i < copies.size(); i += kKeys) {
      std::vector<std::string> words{"UNLINK"};
      std::ranges::copy(copies.subspan(i, std::min(kKeys, copies.size() - i)), std::back_inserter(words));
      requests.push_back(Request::Command(std::move(words)));
    }
    (void)client_->RunAll(requests);  // what stays goes by itself
  }

  const std::unique_ptr<redis::Client> client_;
  RedisReader reader_;
  bool frozen_ = false;
  std::map<int64_t, std::vector<std::string>> copies_;
};

}  // namespace

std::unique_ptr<History> MakeRedisHistory(std::unique_ptr<redis::Client> client) {
  return std::make_unique<RedisHistory>(std::move(client));
}

}  // namespace boxoffice::queue
