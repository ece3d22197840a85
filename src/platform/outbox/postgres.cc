#include "platform/outbox/postgres.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "platform/outbox/packed_row.h"

namespace boxoffice::outbox {
namespace {

using sql::pg::Batch;
using sql::pg::Bytes;
using sql::pg::Column;
using SteadyClock = std::chrono::steady_clock;

// Numbers are given in the order of the array.
constexpr std::string_view kInsert =
    "INSERT INTO outbox_batch(events, oldest_ms, body) SELECT events, oldest_ms, body FROM unnest($1, $2, "
    "$3) "
    "WITH ORDINALITY i(events, oldest_ms, body, place) ORDER BY place";
// Waits for whoever is just writing as the version before does: whatever comes later finds no partition, and
// is packed by the table's trigger.
constexpr std::string_view kLockOld = "LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE";
constexpr std::string_view kEndPartitions = "DELETE FROM outbox_partition";
// Takes what nobody holds, and holds longer what is ours. SKIP LOCKED: whoever is just claiming it may have
// it.
constexpr std::string_view kClaim =
    "UPDATE outbox_lease SET owner = $1, lease_until_ms = " BOXOFFICE_PG_NOW_MS
    " + $2 WHERE one IN (SELECT one FROM outbox_lease WHERE owner = $1 OR lease_until_ms "
    "< " BOXOFFICE_PG_NOW_MS " FOR UPDATE SKIP LOCKED)";
constexpr std::string_view kRelease =
    "UPDATE outbox_lease SET owner = '', lease_until_ms = 0 WHERE owner = $1";
#define BOXOFFICE_HAS_LEASE \
  "EXISTS (SELECT FROM outbox_lease WHERE owner = $1 AND lease_until_ms > " BOXOFFICE_PG_NOW_MS ")"
// From its beginning. Events of one key are in the order of their rows' numbers, since their writers take
// turns at the aggregate's row. The last row may be one too many.
constexpr std::string_view kRead =
    "SELECT b.seq, b.events, b.body FROM (SELECT seq, sum(events::integer) OVER (ORDER BY seq ROWS UNBOUNDED "
    "PRECEDING) - events AS before FROM (SELECT seq, events FROM outbox_batch ORDER BY seq LIMIT $2) first) "
    "w "
    "JOIN outbox_batch b USING (seq) WHERE w.before < $2 AND " BOXOFFICE_HAS_LEASE " ORDER BY b.seq";
constexpr std::string_view kReadOld =
    "SELECT -seq, event_id, topic, key, type, traceparent, body, time_ms FROM outbox "
    "WHERE " BOXOFFICE_HAS_LEASE " ORDER BY seq LIMIT $2";
constexpr std::string_view kOldWaits = "SELECT EXISTS(SELECT FROM outbox)";
constexpr std::string_view kErase = "DELETE FROM outbox_batch WHERE seq = ANY($1)";
constexpr std::string_view kEraseOld = "DELETE FROM outbox WHERE seq = ANY($1)";
// By its order it walks along the index, where what was deleted lately is passed over.
constexpr std::string_view kCount =
    "SELECT coalesce(sum(events::integer), 0), min(oldest_ms) FROM ((SELECT events, oldest_ms FROM "
    "outbox_batch ORDER BY seq LIMIT $1) UNION ALL (SELECT 1, time_ms FROM outbox ORDER BY seq LIMIT $1)) "
    "waits";

// A row of the table `outbox` has its number with a minus.
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

  Result<bool> Read(size_t limit, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) override {
    if (const auto now = SteadyClock::now(); now >= next_claim_) {
      Batch claim;
      claim.Add(kClaim, owner_, lease_.lease.count());
      BOXOFFICE_TRY(connection_->Write(claim));
      next_claim_ = now + lease_.renew;
    }
    if (old_waits_) {
      BOXOFFICE_TRY(ReadOld(limit, events, seqs));
      if (old_waits_) return !seqs.empty();
    }
    Batch batch;
    batch.Add(kRead, owner_, limit);
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    read_in_ = connection_->session();
    for (const sql::pg::Row row : results[0]) {
      const auto count = static_cast<size_t>(row.Int(1));
      if (!seqs.empty() && seqs.size() + count > limit) return true;
      BOXOFFICE_TRY(Unpack(row.Text(2), count, events, seqs.size()));
      seqs.insert(seqs.end(), count, row.Int(0));
    }
    return seqs.size() >= limit;
  }

  // Only on the connection that they were read on, which is to the same server for certain: another one may
  // have lost the last commits, and give their numbers to new rows, which nobody has published.
  Result<void> Erase(std::span<const int64_t> seqs) override {
    if (const uint64_t session = connection_->session(); session == 0 || session != read_in_)
      return Fail(Code::kUnavailable, kNumbersDoubtful, "they were read on another connection");
    std::vector<int64_t> rows(seqs.begin(), seqs.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    const auto first_old = std::partition(rows.begin(), rows.end(), [](int64_t seq) { return seq > 0; });
    Batch batch;
    // The tables in the order in which a backup locks them.
    if (first_old != rows.end())
      batch.Add(kEraseOld, Column(std::span(first_old, rows.end()), [](int64_t seq) { return -seq; }));
    if (first_old != rows.begin()) batch.Add(kErase, Column(std::span(rows.begin(), first_old)));
    if (batch.empty()) return {};
    BOXOFFICE_TRY(connection_->Write(batch));
    return {};
  }

  Result<Status> Count() override {
    Batch batch;
    batch.Add(kCount, kCountedRows);
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    const sql::pg::Row row = results[0][0];
    Status status{.pending = row.Int(0), .oldest = {}};
    if (!row.IsNull(1)) status.oldest = FromUnixMs(row.Int(1));
    return status;
  }

 private:
  Result<void> ReadOld(size_t limit, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) {
    Batch batch;
    batch.Add(kOldWaits);
    batch.Add(kReadOld, owner_, limit);
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    read_in_ = connection_->session();
    old_waits_ = results[0][0].Bool(0);
    for (const sql::pg::Row row : results[1]) {
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

  std::unique_ptr<sql::pg::Connection> connection_;
  const LeaseConfig lease_;
  std::string owner_;
  SteadyClock::time_point next_claim_{};
  uint64_t read_in_ = 0;   // the connection's session
  bool old_waits_ = true;  // perhaps: for ever not, once there was none
};

// So that no publisher of the version before works beside this one. Again: no effect. A commit of its own
// that is waited for, as it is not done again once whoever was lazy has gone on.
Result<void> EndPartitions(sql::pg::Connection& connection, const sql::pg::Config& config) {
  Batch look;
  look.Add("SELECT EXISTS(SELECT FROM outbox_partition)");
  BOXOFFICE_ASSIGN(const auto results, connection.Read(look));
  if (!results[0][0].Bool(0)) return {};
  BOXOFFICE_ASSIGN(const auto durable, sql::pg::Connection::Open(config));
  Batch end;
  end.Add(kLockOld);
  end.Add(kEndPartitions);
  sql::pg::Transaction transaction(*durable);
  BOXOFFICE_TRY(transaction.Run(end));
  return transaction.Commit();
}

}  // namespace

Result<void> AddTo(Batch& batch, std::span<const bus::Event> events) {
  if (events.empty()) return {};
  BOXOFFICE_TRY(bus::CheckEvents(events));
  const std::vector<PackedRow> rows = Pack(events);
  batch.Add(kInsert, Column(rows, &PackedRow::events),
            Column(rows, [](const PackedRow& row) { return ToUnixMs(row.oldest); }),
            Column(rows, [](const PackedRow& row) { return Bytes{row.body}; }));
  return {};
}

Result<std::unique_ptr<Table>> OpenPostgresTable(const sql::pg::Config& config, LeaseConfig lease) {
  // A delete that is lost in a crash publishes again, and a lease is looked up whenever it counts.
  sql::pg::Config lazy = config;
  lazy.lazy_commit = true;
  BOXOFFICE_ASSIGN(auto connection, sql::pg::Connection::Open(std::move(lazy)));
  Batch batch;
  batch.Add("SELECT seq, event_id, topic, key, type, traceparent, body, time_ms FROM outbox LIMIT 0");
  batch.Add("SELECT seq, events, oldest_ms, body FROM outbox_batch LIMIT 0");
  batch.Add("SELECT owner, lease_until_ms FROM outbox_lease LIMIT 0");
  if (auto found = connection->Read(batch); !found) {
    if (found.error().reason == "sql_error") found.error().reason = "outbox_schema";
    return std::unexpected(std::move(found).error());
  }
  BOXOFFICE_TRY(EndPartitions(*connection, config));
  return std::make_unique<PostgresTable>(std::move(connection), lease);
}

}  // namespace boxoffice::outbox
