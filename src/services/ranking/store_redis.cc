#include "services/ranking/store_redis.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/money.h"
#include "base/random.h"

namespace boxoffice::ranking {
namespace {

using redis::Request;

constexpr std::string_view kSummary = "{ranking:2}:summary";
constexpr std::string_view kShow = "{ranking:2}:show";
constexpr std::string_view kHour = "{ranking:2}:hour";
constexpr std::string_view kHours = "{ranking:2}:hours";
constexpr std::string_view kProcessed = "{ranking:2}:processed";

// All rows of a large ranking take longer than what one else asks for.
constexpr milliseconds kLoadTimeout{10'000};

// The effect of events and their ids, all or nothing. After the stamp that was seen ('*': none was looked
// for), the new one, the summary and the oldest hour to keep come lists, each after its length.
constexpr std::string_view kSaveText = R"lua(
local summary, show, hour, hours, processed = unpack(KEYS)
if ARGV[1] ~= '*' and (redis.call('HGET', summary, 'stamp') or '') ~= ARGV[1] then return 'moved' end
local at = 6
local function list()
  local first = at + 1
  at = first + tonumber(ARGV[at])
  return first, at - 1
end
-- In parts that Lua can unpack; even, because some are of pairs.
local function run(command, key, first, last)
  for from = first, last, 4000 do
    redis.call(command, key, unpack(ARGV, from, math.min(from + 3999, last)))
  end
end
local first, last = list()
local horizon = tonumber(redis.call('HGET', summary, 'horizon') or '0')
for i = first, last do
  if redis.call('SISMEMBER', processed, ARGV[i]) == 1 then return 'processed' end
  if horizon > 0 then  -- an id begins with the milliseconds of its making
    local made = 0
    for at = 1, 6 do made = made * 256 + string.byte(ARGV[i], at) end
    if made < horizon then return 'processed' end
  end
end
run('SADD', processed, first, last)
run('HSET', show, list())
run('HSET', hour, list())
run('ZADD', hours, list())
for _, field in ipairs(redis.call('ZRANGEBYSCORE', hours, '-inf', '(' .. ARGV[5])) do
  redis.call('HDEL', hour, field)
end
redis.call('ZREMRANGEBYSCORE', hours, '-inf', '(' .. ARGV[5])
redis.call('HSET', summary, 'stamp', ARGV[2], 'processed', ARGV[3], 'as_of', ARGV[4])
return 'saved'
)lua";

constexpr std::string_view kBeginRebuildText = R"lua(
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'stamp', ARGV[1], 'rebuilding', ARGV[1])
return 'begun'
)lua";

// One that another process has begun meanwhile dropped what was counted in this one: that one goes on. The
// stamp tells the others that it has ended.
constexpr std::string_view kEndRebuildText = R"lua(
if (redis.call('HGET', KEYS[1], 'rebuilding') or '') ~= ARGV[1] then return 'other' end
redis.call('HSET', KEYS[1], 'rebuilding', 0, 'rebuilt_at', ARGV[2], 'stamp', ARGV[3])
return 'ended'
)lua";

// Raises the horizon, and drops ids below it: at once, so that no id is gone that the horizon does not answer
// for. A rebuild takes both away, and needs each event to be new until it has ended.
constexpr std::string_view kForgetText = R"lua(
local summary, processed = unpack(KEYS)
if redis.call('HGET', summary, 'rebuilding') ~= '0' then return 0 end
if tonumber(ARGV[1]) > tonumber(redis.call('HGET', summary, 'horizon') or '0') then
  redis.call('HSET', summary, 'horizon', ARGV[1])
end
local count = 0
for from = 2, #ARGV, 4000 do
  count = count + redis.call('SREM', processed, unpack(ARGV, from, math.min(from + 3999, #ARGV)))
end
return count
)lua";

const redis::Script& SaveScript() {
  static const redis::Script script(kSaveText);
  return script;
}
const redis::Script& BeginRebuildScript() {
  static const redis::Script script(kBeginRebuildText);
  return script;
}

const redis::Script& EndRebuildScript() {
  static const redis::Script script(kEndRebuildText);
  return script;
}

const redis::Script& ForgetScript() {
  static const redis::Script script(kForgetText);
  return script;
}

std::vector<std::string> AllKeys() {
  return {std::string(kSummary), std::string(kShow), std::string(kHour), std::string(kHours),
          std::string(kProcessed)};
}

// Numbers with one space between them; as many as there are.
std::vector<int64_t> ReadNumbers(std::string_view text) {
  std::vector<int64_t> numbers;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    int64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) break;
    numbers.push_back(number);
    at = next + 1;
  }
  return numbers;
}

std::string WriteTally(const Tally& tally) {
  std::string text = fmt::format("{} {} {} {}", tally.confirmed, tally.cancelled, tally.seats, tally.revenue);
  if (tally.sold_out_at) {
    text += fmt::format(" {} {}", ToUnixMs(*tally.sold_out_at), ToUnixMs(tally.on_sale_at));
  }
  if (!tally.currency.empty()) text += fmt::format(" {}", tally.currency);
  return text;
}

// The numbers, and then the currency, if there is one. An earlier version wrote whatever an event named as
// its currency, a number too: that is passed over, as it must not keep a process from starting.
std::optional<Tally> ReadTally(std::string_view text) {
  const std::vector<int64_t> numbers = ReadNumbers(text);
  if (numbers.size() < 4) return std::nullopt;
  Tally tally{numbers[0], numbers[1], numbers[2], std::nullopt, {}, numbers[3], {}};
  if (numbers.size() >= 6) {
    tally.sold_out_at = FromUnixMs(numbers[4]);
    tally.on_sale_at = FromUnixMs(numbers[5]);
  }
  const std::string_view last = text.substr(text.rfind(' ') + 1);
  if (Currency::Parse(last)) tally.currency = last;
  return tally;
}

std::string HourField(const HourKey& key) { return fmt::format("{} {}", key.first, key.second); }

std::unexpected<Error> Malformed(std::string_view key, std::string_view field) {
  return Fail(Code::kInternal, "row_malformed", fmt::format("{} of {}", field, key));
}

Result<void> AddShow(State& state, std::string_view field, std::string_view text) {
  const std::vector<int64_t> show = ReadNumbers(field);
  const std::optional<Tally> tally = ReadTally(text);
  if (show.size() != 1 || !tally) return Malformed(kShow, field);
  state.shows[show[0]] = *tally;
  return {};
}

Result<void> AddHour(State& state, std::string_view field, std::string_view text) {
  const std::vector<int64_t> key = ReadNumbers(field);
  const std::vector<int64_t> bucket = ReadNumbers(text);
  if (key.size() != 2 || bucket.size() != 3) return Malformed(kHour, field);
  state.hours[{key[0], key[1]}] = {bucket[0], bucket[1], bucket[2]};
  return {};
}

// Of what RedisStore::Summary asks for.
std::string_view StampIn(const redis::Value& summary) { return summary[0].Text(); }
Loaded ReadSummary(const redis::Value& summary) {
  Loaded loaded;
  loaded.state.processed = static_cast<uint64_t>(summary[1].Int());
  loaded.state.as_of = FromUnixMs(summary[2].Int());
  loaded.rebuilding = summary[3].Text() != "0";
  loaded.rebuilt_at = FromUnixMs(summary[4].Int());
  return loaded;
}

Request Fields(std::string_view key, const std::vector<std::string>& fields) {
  std::vector<std::string> words{"HMGET", std::string(key)};
  std::ranges::copy(fields, std::back_inserter(words));
  return Request::Command(std::move(words));
}

void Append(std::vector<std::string>& arguments, std::vector<std::string> list) {
  arguments.push_back(fmt::to_string(list.size()));
  std::ranges::move(list, std::back_inserter(arguments));
}

class RedisStore final : public Store {
 public:
  explicit RedisStore(std::unique_ptr<redis::Client> client)
      : client_(std::move(client)), random_(SystemSeed()) {}

  Result<Loaded> Load() override {
    BOXOFFICE_ASSIGN(const redis::Reply summary, Run(Summary()));
    const std::array<Request, 2> requests{Request::Command({"HGETALL", std::string(kShow)}),
                                          Request::Command({"HGETALL", std::string(kHour)})};
    BOXOFFICE_ASSIGN(const auto replies, RunAll(requests, kLoadTimeout));
    Loaded loaded = ReadSummary(summary.value());
    const redis::Value shows = replies[0].value();
    for (size_t i = 0; i + 1 < shows.size(); i += 2)
      BOXOFFICE_TRY(AddShow(loaded.state, shows[i].Text(), shows[i + 1].Text()));
    const redis::Value hours = replies[1].value();
    for (size_t i = 0; i + 1 < hours.size(); i += 2)
      BOXOFFICE_TRY(AddHour(loaded.state, hours[i].Text(), hours[i + 1].Text()));
    stamp_ = std::string(StampIn(summary.value()));
    whole_ = stamp_;
    return loaded;
  }

  Result<State> LoadRows(const Keys& keys) override {
    std::vector<std::string> shows;
    for (const int64_t show : keys.shows) shows.push_back(fmt::to_string(show));
    std::vector<std::string> hours;
    for (const HourKey& key : keys.hours) hours.push_back(HourField(key));
    BOXOFFICE_ASSIGN(const redis::Reply summary, Run(Summary()));
    const std::array<Request, 2> requests{Fields(kShow, shows), Fields(kHour, hours)};
    BOXOFFICE_ASSIGN(const auto replies, RunAll(requests));
    State rows = ReadSummary(summary.value()).state;
    for (size_t i = 0; i < shows.size(); ++i) {
      const redis::Value tally = replies[0].value()[i];
      if (!tally.IsNil()) BOXOFFICE_TRY(AddShow(rows, shows[i], tally.Text()));
    }
    for (size_t i = 0; i < hours.size(); ++i) {
      const redis::Value bucket = replies[1].value()[i];
      if (!bucket.IsNil()) BOXOFFICE_TRY(AddHour(rows, hours[i], bucket.Text()));
    }
    stamp_ = std::string(StampIn(summary.value()));
    return rows;
  }

  Result<std::optional<Loaded>> LoadIfMoved() override {
    BOXOFFICE_ASSIGN(const redis::Reply stamp,
                     Run(Request::Command({"HGET", std::string(kSummary), "stamp"})));
    if (whole_ == stamp.value().Text()) return std::nullopt;
    return Load();
  }

  Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) override {
    std::vector<bool> processed;
    if (ids.empty()) return processed;
    std::vector<std::string> words{"SMISMEMBER", std::string(kProcessed)};
    for (const EventId& id : ids) words.emplace_back(id.bytes());
    BOXOFFICE_ASSIGN(const redis::Reply reply, Run(Request::Command(std::move(words))));
    // Afterwards: an id goes no sooner than the horizon rises.
    BOXOFFICE_ASSIGN(const redis::Reply found,
                     Run(Request::Command({"HGET", std::string(kSummary), "horizon"})));
    const Timestamp horizon = FromUnixMs(found.value().Int());
    for (size_t i = 0; i < ids.size(); ++i)
      processed.push_back(reply.value()[i].Int() == 1 || ids[i].uuid().Time() < horizon);
    return processed;
  }

  Result<void> Save(const State& changed, std::span<const EventId> counted, Hour oldest) override {
    const std::string stamp = NewStamp();
    std::vector<std::string> arguments{stamp_.value_or("*"), stamp, fmt::to_string(changed.processed),
                                       fmt::to_string(ToUnixMs(changed.as_of)), fmt::to_string(oldest)};
    std::vector<std::string> ids;
    for (const EventId& id : counted) ids.emplace_back(id.bytes());
    std::vector<std::string> shows;
    for (const auto& [show, tally] : changed.shows) {
      shows.push_back(fmt::to_string(show));
      shows.push_back(WriteTally(tally));
    }
    std::vector<std::string> hours;
    std::vector<std::string> order;
    for (const auto& [key, bucket] : changed.hours) {
      hours.push_back(HourField(key));
      order.push_back(fmt::to_string(key.first));
      order.push_back(hours.back());
      hours.push_back(fmt::format("{} {} {}", bucket.bookings, bucket.seats, bucket.revenue));
    }
    for (auto* list : {&ids, &shows, &hours, &order}) Append(arguments, std::move(*list));
    BOXOFFICE_ASSIGN(const redis::Reply reply,
                     Run(Request::Call(SaveScript(), AllKeys(), std::move(arguments))));
    const std::string_view outcome = reply.value().Text();
    if (outcome == "processed") return Fail(Code::kConflict, "constraint", "an event was counted before");
    if (outcome == "moved")
      return Fail(Code::kUnavailable, "moved", "another process counts for this ranking");
    // What others saved between the last Load and the rows of this is still to be loaded.
    if (whole_ == stamp_) whole_ = stamp;
    stamp_ = stamp;
    return {};
  }

  // Ids have no order there, so each call looks at some, and goes on where the one before has ended.
  Result<Forgotten> ForgetProcessed(Timestamp before, size_t limit) override {
    BOXOFFICE_ASSIGN(
        const redis::Reply seen,
        Run(Request::Command({"SSCAN", std::string(kProcessed), looked_, "COUNT", fmt::to_string(limit)})));
    std::vector<std::string> arguments{fmt::to_string(ToUnixMs(before))};
    const redis::Value ids = seen.value()[1];
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::optional<EventId> id = EventId::FromBytes(ids[i].Text());
      if (id && id->uuid().Time() < before) arguments.emplace_back(ids[i].Text());
    }
    BOXOFFICE_ASSIGN(const redis::Reply count,
                     Run(Request::Call(ForgetScript(), {std::string(kSummary), std::string(kProcessed)},
                                       std::move(arguments))));
    looked_ = seen.value()[0].Text();
    return Forgotten{static_cast<size_t>(count.value().Int()), looked_ != "0"};
  }

  Result<void> BeginRebuild() override {
    const std::string stamp = NewStamp();
    BOXOFFICE_TRY(Run(Request::Call(BeginRebuildScript(), AllKeys(), {stamp})));
    stamp_ = stamp;
    whole_ = stamp;
    rebuild_ = stamp;
    return {};
  }

  Result<void> ResumeRebuild() override {
    BOXOFFICE_ASSIGN(const redis::Reply rebuild,
                     Run(Request::Command({"HGET", std::string(kSummary), "rebuilding"})));
    rebuild_ = std::string(rebuild.value().Text());
    return {};
  }

  Result<bool> EndRebuild(Timestamp now) override {
    const std::string stamp = NewStamp();
    BOXOFFICE_ASSIGN(const redis::Reply reply,
                     Run(Request::Call(EndRebuildScript(), {std::string(kSummary)},
                                       {rebuild_, fmt::to_string(ToUnixMs(now)), stamp})));
    const bool ended = reply.value().Text() == "ended";
    // Where another process has saved since, what it saved is still to be loaded.
    return ended;
  }

 private:
  // Runs alone, and before what goes with it: rows that are read afterwards are no older than the stamp.
  static Request Summary() {
    return Request::Command(
        {"HMGET", std::string(kSummary), "stamp", "processed", "as_of", "rebuilding", "rebuilt_at"});
  }
  // Each of the store's methods may be repeated, as its caller does when it is told that it was not done:
  // that its reply was lost says no more than that.
  static Result<redis::Reply> Repeatable(Result<redis::Reply> reply) {
    if (!reply && reply.error().code == Code::kUnknown) reply.error().code = Code::kUnavailable;
    return reply;
  }
  Result<std::vector<redis::Reply>> RunAll(std::span<const Request> requests,
                                           std::optional<milliseconds> timeout = std::nullopt) {
    std::vector<redis::Reply> replies;
    for (Result<redis::Reply>& reply : client_->RunAll(requests, timeout)) {
      BOXOFFICE_ASSIGN(redis::Reply good, Repeatable(std::move(reply)));
      replies.push_back(std::move(good));
    }
    return replies;
  }
  Result<redis::Reply> Run(const Request& request) { return Repeatable(client_->Run(request)); }
  std::string NewStamp() { return fmt::format("{:016x}", random_.Next()); }

  const std::unique_ptr<redis::Client> client_;
  SeededRandom random_;
  std::optional<std::string> stamp_;  // as this store has last seen it; "": there was none
  std::optional<std::string> whole_;  // up to which all was loaded here, or saved here since
  std::string rebuild_;               // that this store counts in; "": of a new store
  std::string looked_ = "0";          // how far it has got in looking for old ids
};

}  // namespace

Result<std::unique_ptr<Store>> OpenRedisStore(std::string_view url, const redis::Options& options) {
  BOXOFFICE_ASSIGN(auto client, redis::Client::Open(url, options));
  return std::make_unique<RedisStore>(std::move(client));
}

}  // namespace boxoffice::ranking
