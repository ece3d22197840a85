#include <utility>

#include "base/check.h"
#include "platform/outbox/outbox.h"

namespace boxoffice::outbox {
namespace {

class SqliteTable final : public Table {
 public:
  explicit SqliteTable(sql::Database opened)
      : database_(std::move(opened)),
        // In the order of writing. SQLite has one writer at a time, so this is the order of commits; were it
        // not, events of one key would still be in order, since their writers take turns at the aggregate's
        // row.
        read_(database_.Prepare(
            "SELECT seq, event_id, topic, key, type, traceparent, body, time_ms FROM outbox "
            "ORDER BY seq LIMIT ?1")),
        erase_(database_.Prepare("DELETE FROM outbox WHERE seq = ?1")),
        count_(database_.Prepare(
            "SELECT count(*), (SELECT time_ms FROM outbox ORDER BY seq LIMIT 1) FROM outbox")) {}

  Result<void> Read(size_t limit, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) override {
    read_.Bind(limit);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, read_.Step());
      if (!more) return {};
      if (events.size() == seqs.size()) events.emplace_back();
      bus::Event& event = events[seqs.size()];
      const std::optional<EventId> id = EventId::FromBytes(read_.Text(1));
      CHECK(id.has_value(), "the outbox holds event ids of 16 bytes");
      event.id = *id;
      event.topic = read_.Text(2);
      event.key = read_.Text(3);
      event.type = read_.Text(4);
      event.traceparent = read_.Text(5);
      event.body = read_.Text(6);
      event.time = FromUnixMs(read_.Int(7));
      seqs.push_back(read_.Int(0));
    }
  }

  Result<void> Erase(std::span<const int64_t> seqs) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database_));
    for (const int64_t seq : seqs) {
      erase_.Bind(seq);
      BOXOFFICE_TRY(erase_.Run());
    }
    return transaction.Commit();
  }

  Result<Status> Count() override {
    BOXOFFICE_TRY(count_.Step());
    Status status{.pending = count_.Int(0), .oldest = {}};
    if (!count_.IsNull(1)) status.oldest = FromUnixMs(count_.Int(1));
    count_.Reset();
    return status;
  }

 private:
  sql::Database database_;
  sql::Statement read_;
  sql::Statement erase_;
  sql::Statement count_;
};

}  // namespace

Result<std::unique_ptr<Table>> OpenSqliteTable(const std::filesystem::path& file) {
  // kNormal: a delete that is lost with the power publishes again.
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file, sql::Durability::kNormal));
  BOXOFFICE_TRY(CheckSchema(database));
  return std::make_unique<SqliteTable>(std::move(database));
}

}  // namespace boxoffice::outbox
