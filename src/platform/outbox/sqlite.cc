#include <utility>

#include "base/check.h"
#include "platform/outbox/outbox.h"
#include "platform/outbox/packed_row.h"

namespace boxoffice::outbox {
namespace {

// A row of the table `outbox` has its number with a minus.
class SqliteTable final : public Table {
 public:
  explicit SqliteTable(sql::Database opened)
      : database_(std::move(opened)),
        // In the order of writing. SQLite has one writer at a time, so this is the order of commits; were it
        // not, events of one key would still be in order, since their writers take turns at the aggregate's
        // row.
        read_(database_.Prepare("SELECT seq, events, body FROM outbox_batch ORDER BY seq")),
        read_old_(database_.Prepare(
            "SELECT -seq, event_id, topic, key, type, traceparent, body, time_ms FROM outbox "
            "ORDER BY seq LIMIT ?1")),
        erase_(database_.Prepare("DELETE FROM outbox_batch WHERE seq = ?1")),
        erase_old_(database_.Prepare("DELETE FROM outbox WHERE seq = -?1")),
        count_(database_.Prepare(
            "SELECT coalesce(sum(events), 0), min(oldest_ms) FROM (SELECT * FROM (SELECT events, oldest_ms "
            "FROM outbox_batch ORDER BY seq LIMIT ?1) UNION ALL SELECT * FROM (SELECT 1, time_ms FROM outbox "
            "ORDER BY seq LIMIT ?1))")) {}

  Result<bool> Read(size_t limit, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) override {
    if (old_waits_) {
      BOXOFFICE_TRY(ReadOld(limit, events, seqs));
      old_waits_ = !seqs.empty();
      if (old_waits_) return true;
    }
    Result<bool> more = ReadRows(limit, events, seqs);
    read_.Reset();
    return more;
  }

  Result<void> Erase(std::span<const int64_t> seqs) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
    int64_t last = 0;
    for (const int64_t seq : seqs) {
      if (std::exchange(last, seq) == seq) continue;
      sql::Statement& erase = seq < 0 ? erase_old_ : erase_;
      erase.Bind(seq);
      BOXOFFICE_TRY(erase.Run());
    }
    return transaction.Commit();
  }

  Result<Status> Count() override {
    BOXOFFICE_TRY(count_.Bind(kCountedRows).Step());
    Status status{.pending = count_.Int(0), .oldest = {}};
    if (!count_.IsNull(1)) status.oldest = FromUnixMs(count_.Int(1));
    count_.Reset();
    return status;
  }

 private:
  Result<bool> ReadRows(size_t limit, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) {
    while (seqs.size() < limit) {
      BOXOFFICE_ASSIGN(const bool found, read_.Step());
      if (!found) return false;
      const auto count = static_cast<size_t>(read_.Int(1));
      if (!seqs.empty() && seqs.size() + count > limit) return true;
      BOXOFFICE_TRY(Unpack(read_.Text(2), count, events, seqs.size()));
      seqs.insert(seqs.end(), count, read_.Int(0));
    }
    return true;
  }

  Result<void> ReadOld(size_t limit, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) {
    read_old_.Bind(limit);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, read_old_.Step());
      if (!more) return {};
      if (events.size() == seqs.size()) events.emplace_back();
      bus::Event& event = events[seqs.size()];
      const std::optional<EventId> id = EventId::FromBytes(read_old_.Text(1));
      CHECK(id.has_value(), "the outbox holds event ids of 16 bytes");
      event.id = *id;
      event.topic = read_old_.Text(2);
      event.key = read_old_.Text(3);
      event.type = read_old_.Text(4);
      event.traceparent = read_old_.Text(5);
      event.body = read_old_.Text(6);
      event.time = FromUnixMs(read_old_.Int(7));
      seqs.push_back(read_old_.Int(0));
    }
  }

  sql::Database database_;
  sql::Statement read_;
  sql::Statement read_old_;
  sql::Statement erase_;
  sql::Statement erase_old_;
  sql::Statement count_;
  bool old_waits_ = true;  // perhaps: for ever not, once there was none
};

}  // namespace

Result<std::unique_ptr<Table>> OpenSqliteTable(const std::filesystem::path& file) {
  // kNormal: a delete that is lost with the power publishes again.
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file, sql::Durability::kNormal));
  BOXOFFICE_TRY(CheckSchema(database));
  return std::make_unique<SqliteTable>(std::move(database));
}

}  // namespace boxoffice::outbox
