// Row 5, its second half: joins through the queue service's batch RPC, against the least that one would write
// instead: a script of Redis for each batch.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/check.h"
#include "bench/generator.h"
#include "bench/rows.h"
#include "bench/shop.h"
#include "bench/system_process.h"
#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "platform/redis/client.h"
#include "platform/rpc/channels.h"
#include "platform/servers/private_redis.h"

namespace boxoffice::bench {
namespace {

namespace json = boost::json;
namespace queue_rpc = queue::v1;

constexpr size_t kBatch = 256;
constexpr size_t kUnderWay = 8;  // batches of the stream; of Redis, what is sent before a reply is awaited
constexpr std::chrono::seconds kLength{2};
constexpr int kRounds = 3;

// Who comes to an end of a line is given the next number, and keeps the one that he has.
constexpr std::string_view kJoinText = R"lua(
local places = {}
for i, user in ipairs(ARGV) do
  local place = redis.call('HGET', KEYS[1], user)
  if not place then
    place = redis.call('HINCRBY', KEYS[2], 'last', 1)
    redis.call('HSET', KEYS[1], user, place)
  end
  places[i] = place
end
return places
)lua";

struct Rate {
  uint64_t joins = 0;
  double seconds = 0;
  [[nodiscard]] double PerSecond() const { return static_cast<double>(joins) / std::max(1e-9, seconds); }
};

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

Result<Rate> JoinByScript(redis::Client& client, int round) {
  static const redis::Script script(kJoinText);
  const std::vector<std::string> keys{fmt::format("{{{}}}place", round), fmt::format("{{{}}}line", round)};
  Rate rate;
  const auto start = SteadyClock::now();
  while (SteadyClock::now() - start < kLength) {
    std::vector<redis::Request> requests;
    for (size_t i = 0; i < kUnderWay; ++i) {
      std::vector<std::string> users;
      for (size_t j = 0; j < kBatch; ++j) users.push_back(fmt::format("buyer-{:08}", rate.joins++));
      requests.push_back(redis::Request::Call(script, keys, std::move(users)));
    }
    for (Result<redis::Reply>& reply : client.RunAll(requests)) {
      if (!reply) return std::unexpected(std::move(reply).error());
    }
  }
  rate.seconds = SecondsSince(start);
  return rate;
}

queue_rpc::CommandBatch NextBatch(int64_t show, int round, uint64_t& sequence) {
  queue_rpc::CommandBatch batch;
  for (size_t i = 0; i < kBatch; ++i) {
    queue_rpc::Command& command = *batch.add_commands();
    command.mutable_header()->set_sequence(++sequence);
    command.mutable_header()->set_timeout_ms(10'000);
    command.mutable_join()->set_show_id(show);
    command.mutable_join()->set_user_id(fmt::format("buyer-{}-{:08}", round, sequence));
  }
  return batch;
}

// A thread reads, so that what is under way stays under way; each outcome that comes makes room for a
// command.
Result<Rate> JoinByRpc(queue_rpc::QueueService::Stub& stub, int64_t show, int round) {
  grpc::ClientContext context;
  const auto stream = stub.Execute(&context);
  std::atomic<uint64_t> answered = 0;
  std::atomic<uint64_t> failed = 0;
  std::jthread reader([&] {
    queue_rpc::OutcomeBatch batch;
    while (stream->Read(&batch)) {
      for (const queue_rpc::Outcome& outcome : batch.outcomes()) {
        if (!outcome.has_session() || outcome.session().sequence() == 0) ++failed;
      }
      answered += static_cast<uint64_t>(batch.outcomes_size());
      answered.notify_one();
    }
    answered = UINT64_MAX;  // wakes whoever waits for outcomes that will not come
    answered.notify_one();
  });
  uint64_t sequence = 0;
  const auto start = SteadyClock::now();
  while (SteadyClock::now() - start < kLength) {
    if (!stream->Write(NextBatch(show, round, sequence))) break;
    for (uint64_t seen = answered; sequence - std::min(seen, sequence) >= kUnderWay * kBatch; seen = answered)
      answered.wait(seen);
  }
  for (uint64_t seen = answered; seen < sequence; seen = answered) answered.wait(seen);
  Rate rate{sequence, SecondsSince(start)};
  stream->WritesDone();
  reader.join();
  const grpc::Status status = stream->Finish();
  if (!status.ok()) return Fail(Code::kUnavailable, "stream_failed", status.error_message());
  if (failed != 0) return Fail(Code::kInternal, "join_failed", fmt::format("{} joins", failed.load()));
  return rate;
}

// Where the queue of a scaled system listens.
Result<std::string> QueueAddress(const std::filesystem::path& data_dir) {
  BOXOFFICE_ASSIGN(const json::array processes, ProcessesOf(data_dir));
  for (const json::value& process : processes) {
    const json::object& fields = process.as_object();
    if (fields.at("service") == "queue") return std::string(fields.at("listen").as_string());
  }
  return Fail(Code::kInternal, "queue_not_found", json::serialize(processes));
}

}  // namespace

Result<RowResult> RunJoinRpcRow(RowContext& context) {
  const ScenarioOptions& options = context.scaled;
  BOXOFFICE_ASSIGN(const SystemProcess system, SystemProcess::Start(options.program, options.data_root,
                                                                    options.arguments, options.environment));
  BOXOFFICE_ASSIGN(const auto load, HttpLoad::Connect(system.port(), 8));
  BOXOFFICE_ASSIGN(Shop shop, Shop::Open(system, *load));
  BOXOFFICE_ASSIGN(const std::string address, QueueAddress(system.data_dir()));
  const auto stub = queue_rpc::QueueService::NewStub(rpc::NetworkChannel(address));
  BOXOFFICE_ASSIGN(servers::PrivateRedis redis, servers::PrivateRedis::Start(system.data_dir() / "floor"));
  BOXOFFICE_ASSIGN(auto client, redis::Client::Open(redis.Url()));

  std::vector<double> by_script;
  std::vector<double> by_rpc;
  uint64_t joins = 0;
  for (int round = 0; round < kRounds; ++round) {
    BOXOFFICE_ASSIGN(const std::string show, shop.CreateShow());
    BOXOFFICE_TRY(shop.SetQueue(show, R"({"state":"PREQUEUE"})"));  // so that nobody is admitted meanwhile
    BOXOFFICE_ASSIGN(const Rate script, JoinByScript(*client, round));
    by_script.push_back(script.PerSecond());
    int64_t show_id = 0;
    std::from_chars(show.data(), show.data() + show.size(), show_id);
    CHECK(show_id > 0, "show {}", show);
    BOXOFFICE_ASSIGN(const Rate rpc, JoinByRpc(*stub, show_id, round));
    by_rpc.push_back(rpc.PerSecond());
    joins += rpc.joins;
  }
  client.reset();
  redis.Stop(std::chrono::seconds(5));

  RowResult row;
  row.name = "join-rpc";
  row.figures = {{"script_joins_per_s", MedianOf(by_script)},
                 {"rpc_joins_per_s", MedianOf(by_rpc)},
                 {"batch", static_cast<double>(kBatch)},
                 {"joins", static_cast<double>(joins)}};
  row.targets = {{"5  joins by the batch RPC to a script of Redis for each batch",
                  MedianOf(by_rpc) / std::max(1.0, MedianOf(by_script)), 0.5, true, "×"}};
  BOXOFFICE_ASSIGN(const AuditVerdict audit, shop.Audit());
  if (!audit.ok) row.audit = audit.json;
  row.note = "both Redis servers log to a file that is synced once a second";
  return row;
}

}  // namespace boxoffice::bench
