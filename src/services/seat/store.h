// What the seat service asks of a database. It is dumb: it loads rows by key and saves rows whose version is
// still the one that was loaded. A Store belongs to one thread at a time; several may be open on one
// database.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/seat/prices.h"
#include "services/seat/seat_book.h"
#include "services/seat/show.h"

namespace boxoffice::seat {

// Rows that had another version than was expected. Any: nothing at all has been saved.
struct Saved {
  std::vector<SagaId> moved_sagas;
  std::vector<BuyerKey> moved_buyers;
  std::vector<SeatKey> moved_seats;
  std::vector<int64_t> moved_shows;  // whose marks had been set meanwhile, or that are not sold out at all

  [[nodiscard]] bool done() const {
    return moved_sagas.empty() && moved_buyers.empty() && moved_seats.empty() && moved_shows.empty();
  }
};

struct StoredShow {
  Show show;
  ShowMarks marks;
};

// Up to where a reader of news has got.
struct NewsPlace {
  int64_t horizon = 0;  // beyond every transaction that the snapshot shows; it only grows
  Timestamp at{};
  std::string history = {};   // the database's: another one may lack what was told; empty: not known
  std::string snapshot = {};  // the database's: what was visible in it has been told
  bool operator==(const NewsPlace&) const = default;
};
// A show whose layout, of this version, the reader of news has.
struct KnownLayout {
  int64_t show_id = 0;
  uint64_t version = 0;
};
// What other replicas have saved, and of concerts and shows this one, too, as it is now; some of it may have
// been told before.
struct News {
  NewsPlace place;    // to go on from
  bool lost = false;  // it was too long ago, or in another history: read everything anew
  std::vector<Concert> concerts;
  std::vector<StoredShow> shows;  // by id; without the layouts that are known
  std::vector<SeatRow> seats;
};

// What an operator's request is recognised by when it comes again.
struct Operation {
  std::string key;          // unique
  std::string fingerprint;  // of its content
  int64_t result_id = 0;    // of what it made
};

// Before the id of any saga that is made at `time` or later.
[[nodiscard]] inline SagaId FirstSagaAt(Timestamp time) {
  std::string bytes(16, '\0');
  const auto ms = static_cast<uint64_t>(ToUnixMs(time));
  for (size_t i = 0; i < 6; ++i) bytes[5 - i] = static_cast<char>(ms >> (8 * i));
  return *SagaId::FromBytes(bytes);
}

// Of a look at old records.
struct Forgotten {
  size_t looked_at = 0;
  size_t forgotten = 0;
  SagaId last;  // that was looked at
};

// Seats of a show whose rows are alike in all that a map knows of them.
struct SeatGroup {
  SeatRow row;  // of each: state, version, channel and, if it is held, deadline; it says nothing else
  std::vector<SeatNo> seats;
};

struct CountedShow {
  int64_t show_id = 0;
  SeatCounts counts;
};

// Errors of every method: database_unavailable (kUnavailable: nothing was done; kUnknown: it may have been).
class Store {
 public:
  virtual ~Store() = default;

  // The rows of `keys`, and those of the seats that the sagas and buyers found list: one for each key,
  // sorted; what is not stored comes as a new row of version 0. Shows come as ShowRow, those that there are.
  [[nodiscard]] virtual Result<Rows> Load(const Keys& keys) = 0;
  // Saves all in one transaction, durably, each row with the next version; or, if any row or mark has moved,
  // nothing. That a show is sold out is marked only if every seat of it is by then sold, blocked, or free and
  // kept for a channel: who has decided so may not know what another replica has freed.
  // Errors: event_too_large.
  [[nodiscard]] virtual Result<Saved> Save(const Changes& changes) = 0;
  // Looks at up to `limit` records of sagas made before `before`, in the order of their making from after
  // `after` on, and forgets the tombstones of holds among them, in one transaction.
  [[nodiscard]] virtual Result<Forgotten> ForgetTombstones(SagaId after, Timestamp before, size_t limit) = 0;

  // By id.
  [[nodiscard]] virtual Result<std::vector<Concert>> LoadConcerts() = 0;
  // The show with the lowest id above this one, with its layout; none: there is no other.
  [[nodiscard]] virtual Result<std::optional<StoredShow>> LoadShowAfter(int64_t id) = 0;
  // Up to `limit` seats of a show that have an owner, by seat_no, after `after`; also lapsed holds.
  [[nodiscard]] virtual Result<std::vector<SeatRow>> OwnedSeats(int64_t show_id, SeatNo after,
                                                                size_t limit) = 0;
  // Of the seats above `after` and up to `up_to` all that have a row, also those that were freed or are
  // blocked; each in one group, in no order. Those that are alike may come in several.
  [[nodiscard]] virtual Result<std::vector<SeatGroup>> StoredSeats(int64_t show_id, SeatNo after,
                                                                   SeatNo up_to) = 0;
  // What other replicas have saved since `since`; the first place of all is a default one, and gets no news,
  // but the place before which everything is in the rows that are read from now on. Nothing is missed, also
  // not what is committed late. Of a database that one process has, there is none. For one caller a database.
  [[nodiscard]] virtual Result<News> LoadNews(const NewsPlace& since, std::span<const KnownLayout> known) = 0;
  // Counted from the rows; of one show, or with 0 of all; by id. Lapsed holds count as free.
  [[nodiscard]] virtual Result<std::vector<CountedShow>> CountSeats(int64_t show_id, Timestamp now) = 0;

  // What operators blocked and gave back of a show before `before_id` (0: the newest first), up to `limit`,
  // newest first.
  [[nodiscard]] virtual Result<std::vector<BlockNote>> LoadBlocks(int64_t show_id, int64_t before_id,
                                                                  size_t limit) = 0;

  // Sets the prices of a show whose layout was of the version before `layout`, and records `notes`, in one
  // transaction. False: it was not, and nothing is saved.
  [[nodiscard]] virtual Result<bool> SavePrices(int64_t show_id, const Layout& layout,
                                                std::span<const PriceNote> notes) = 0;
  // As LoadBlocks.
  [[nodiscard]] virtual Result<std::vector<PriceNote>> LoadPriceNotes(int64_t show_id, int64_t before_id,
                                                                      size_t limit) = 0;

  [[nodiscard]] virtual Result<std::optional<Operation>> FindOperation(const std::string& key) = 0;
  // Each makes its row and records the operation in one transaction, and returns the new id. Errors:
  // constraint (the operation's key is there already, or there is no such concert).
  [[nodiscard]] virtual Result<int64_t> CreateConcert(const Operation& operation, const Concert& concert) = 0;
  [[nodiscard]] virtual Result<int64_t> CreateShow(const Operation& operation, const Show& show) = 0;
  // Each changes what still is as it was read, `before`. False: it has moved, and nothing is saved. A show's
  // highest_seat_limit is never lowered, and may have moved.
  [[nodiscard]] virtual Result<bool> UpdateConcert(const Concert& before, const Concert& after) = 0;
  [[nodiscard]] virtual Result<bool> UpdateTerms(int64_t show_id, const ShowTerms& before,
                                                 const ShowTerms& after) = 0;
};

// A replica's connections to one database.
struct Stores {
  std::unique_ptr<Store> commands;  // for the executor's thread
  std::unique_ptr<Store> requests;  // operators' requests and audits take turns on it
  std::unique_ptr<Store> news;      // for following other replicas
};

}  // namespace boxoffice::seat
