#include "platform/outbox/postgres.h"

#include <chrono>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"

namespace boxoffice::outbox {
namespace {

using sql::pg::Batch;
using sql::pg::Bytes;
using sql::pg::Column;
using SteadyClock = std::chrono::steady_clock;

// Numbers are given in the order of the array.
constexpr std::string_view kInsert =
    "INSERT INTO outbox(partition, event_id, topic, key, type, traceparent, body, time_ms) SELECT partition, "
    "event_id, topic, key, type, traceparent, body, time_ms FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH "
    "ORDINALITY i(partition, event_id, topic, key, type, traceparent, body, time_ms, place) ORDER BY place";
// Takes what nobody holds, and holds longer what is ours. SKIP LOCKED: whoever is just claiming it may have
// it.
constexpr std::string_view kClaim =
    "UPDATE outbox_partition p SET owner = $1, lease_until_ms = " BOXOFFICE_PG_NOW_MS
    " + $2 FROM (SELECT partition FROM outbox_partition WHERE owner = $1 OR lease_until_ms "
    "< " BOXOFFICE_PG_NOW_MS
    " ORDER BY partition FOR UPDATE SKIP LOCKED) free WHERE p.partition = free.partition";
constexpr std::string_view kRelease =
    "UPDATE outbox_partition SET owner = '', lease_until_ms = 0 WHERE owner = $1";
// From its beginning. Events of one key are in the order of their numbers, since their writers take turns at
// the aggregate's row.
constexpr std::string_view kRead =
    "SELECT o.seq, o.event_id, o.topic, o.key, o.type, o.traceparent, o.body, o.time_ms FROM outbox o "
    "WHERE o.partition = ANY(ARRAY(SELECT partition FROM outbox_partition WHERE owner = $1 AND "
    "lease_until_ms "
    "> " BOXOFFICE_PG_NOW_MS ")) ORDER BY o.seq LIMIT $2";
constexpr std::string_view kErase = "DELETE FROM outbox WHERE seq = ANY($1)";
constexpr std::string_view kCount = "SELECT count(*), min(time_ms) FROM outbox";

class PostgresTable final : public Table {
 public:
  PostgresTable(std::unique_ptr<sql::pg::Connection> connection, LeaseConfig lease)
      : connection_(std::move(connection)), lease_(lease) {
    SeededRandom random{SystemSeed()};
    owner_ = fmt::format("{:016x}{:016x}", random.Next(), random.Next());
  }
  // Where it fails, the leases end by themselves.
  ~PostgresTable() override {
    Batch batch;
    batch.Add(kRelease, owner_);
    (void)connection_->Write(batch);
  }

  Result<void> Read(size_t limit, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) override {
    if (const auto now = SteadyClock::now(); now >= next_claim_) {
      Batch claim;
      claim.Add(kClaim, owner_, lease_.lease.count());
      BOXOFFICE_TRY(connection_->Write(claim));
      next_claim_ = now + lease_.renew;
    }
    Batch batch;
    batch.Add(kRead, owner_, limit);
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    for (const sql::pg::Row row : results[0]) {
      if (events.size() == seqs.size()) events.emplace_back();
      bus::Event& event = events[seqs.size()];
      event.id = row.Id<EventId>(1);
      event.topic = row.Text(2);
      event.key = row.Text(3);
      event.type = row.Text(4);
      event.traceparent = row.Text(5);
      event.body = row.Text(6);
      event.time = FromUnixMs(row.Int(7));
      seqs.push_back(row.Int(0));
    }
    return {};
  }

  Result<void> Erase(std::span<const int64_t> seqs) override {
    Batch batch;
    batch.Add(kErase, Column(seqs));
    BOXOFFICE_TRY(connection_->Write(batch));
    return {};
  }

  Result<Status> Count() override {
    Batch batch;
    batch.Add(kCount);
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    const sql::pg::Row row = results[0][0];
    Status status{.pending = row.Int(0), .oldest = {}};
    if (!row.IsNull(1)) status.oldest = FromUnixMs(row.Int(1));
    return status;
  }

 private:
  std::unique_ptr<sql::pg::Connection> connection_;
  const LeaseConfig lease_;
  std::string owner_;
  SteadyClock::time_point next_claim_{};
};

}  // namespace

Result<void> AddTo(Batch& batch, std::span<const bus::Event> events) {
  if (events.empty()) return {};
  BOXOFFICE_TRY(CheckEvents(events));
  batch.Add(kInsert, Column(events, [](const bus::Event& event) { return PartitionOf(event.key); }),
            Column(events, &bus::Event::id), Column(events, &bus::Event::topic),
            Column(events, [](const bus::Event& event) { return Bytes{event.key}; }),
            Column(events, &bus::Event::type), Column(events, &bus::Event::traceparent),
            Column(events, [](const bus::Event& event) { return Bytes{event.body}; }),
            Column(events, [](const bus::Event& event) { return ToUnixMs(event.time); }));
  return {};
}

Result<std::unique_ptr<Table>> OpenPostgresTable(const sql::pg::Config& config, LeaseConfig lease) {
  BOXOFFICE_ASSIGN(auto connection, sql::pg::Connection::Open(ByIndex(config)));
  Batch batch;
  batch.Add(
      "SELECT seq, partition, event_id, topic, key, type, traceparent, body, time_ms FROM outbox LIMIT 0");
  batch.Add("SELECT partition, owner, lease_until_ms FROM outbox_partition LIMIT 0");
  if (auto found = connection->Read(batch); !found) {
    if (found.error().reason == "sql_error") found.error().reason = "outbox_schema";
    return std::unexpected(std::move(found).error());
  }
  return std::make_unique<PostgresTable>(std::move(connection), lease);
}

}  // namespace boxoffice::outbox
