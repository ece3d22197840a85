// A store in memory, for the tests of the use cases: what is in it, and what is to go wrong.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "services/seat/layout.h"
#include "services/seat/service.h"
#include "services/seat/store.h"

namespace boxoffice::seat {

// All concerts and shows, by id.
struct Catalogue {
  std::vector<Concert> concerts;
  std::vector<StoredShow> shows;
};
[[nodiscard]] inline Catalogue CatalogueOf(Store& store) {
  Catalogue catalogue{store.LoadConcerts().value(), {}};
  while (true) {
    const int64_t last = catalogue.shows.empty() ? 0 : catalogue.shows.back().show.id;
    auto next = store.LoadShowAfter(last).value();
    if (!next) return catalogue;
    catalogue.shows.push_back(*std::move(next));
  }
}

// What a map is told of these seats.
[[nodiscard]] inline std::map<SeatNo, SeatRow> StoredOf(Store& store, int64_t show_id, SeatNo after = 0,
                                                        SeatNo up_to = kMaxSeats) {
  std::map<SeatNo, SeatRow> stored;
  const auto groups = store.StoredSeats(show_id, after, up_to).value();
  for (const SeatGroup& group : groups) {
    for (const SeatNo seat_no : group.seats) {
      CHECK(stored.emplace(seat_no, group.row).second, "seat {} is told twice", seat_no);
    }
  }
  return stored;
}

// What is stored, and what is to go wrong.
struct Memory {
  std::map<SagaId, SagaRow> sagas;
  std::map<BuyerKey, BuyerRow> buyers;
  std::map<SeatKey, SeatRow> seats;
  std::vector<Event> events;
  std::vector<BlockNote> blocks;
  uint64_t layout_version = 0;
  std::vector<PriceNote> price_notes;
  ShowMarks marks;                 // of the only show that is marked
  std::vector<ShowRow> show_rows;  // that are otherwise than the replica has heard
  Catalogue catalogue;
  std::vector<Concert> updated_concerts;
  std::map<int64_t, Concert> concerts;  // that were changed
  std::map<int64_t, ShowTerms> terms;   // of shows whose terms were changed
  std::map<std::string, Operation> operations;
  std::function<void()> before_save;  // another replica's work; runs once
  std::optional<Error> fail_save;     // fails once
  int saves = 0;
  News news;  // told once
  std::optional<Error> fail_news;
  NewsPlace news_since;           // where it was last asked from
  std::function<void()> on_news;  // what else goes on while news is read
  int news_loads = 0;
  std::function<void(int64_t id)> on_show;  // and once that show has been read
  int show_loads = 0;
  std::function<void()> on_count;  // and once seats have been counted
};

template <typename Map, typename Key, Key Map::mapped_type::* kKey, typename Rows>
void LoadInto(Map& stored, const auto& keys, Rows& rows) {
  for (const Key& key : keys) {
    auto& row = stored[key];
    row.*kKey = key;
    rows.push_back(row);
  }
}

// Whether a mark of a sell-out is true of the rows as they will be, as a store finds before it sets one.
[[nodiscard]] inline bool IsSoldOut(std::map<SeatKey, SeatRow> seats, const Changes& changes,
                                    const MarkedShow& show, size_t capacity) {
  if (show.marks.sold_out_at == show.before.sold_out_at) return true;
  for (const SeatRow& row : changes.seats) seats[row.key] = row;
  return capacity == static_cast<size_t>(std::ranges::count_if(seats, [&](const auto& seat) {
           const SeatRow& row = seat.second;
           const bool gone = row.state == SeatState::kSold || row.IsWithheld(*show.marks.sold_out_at);
           return seat.first.show_id == show.show_id && gone;
         }));
}

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(Memory& memory) : memory_(memory) {}

  Result<Rows> Load(const Keys& keys) override {
    Rows rows;
    std::set<SeatKey> seats(keys.seats.begin(), keys.seats.end());
    LoadInto<decltype(memory_.sagas), SagaId, &SagaRow::id>(memory_.sagas, keys.sagas, rows.sagas);
    LoadInto<decltype(memory_.buyers), BuyerKey, &BuyerRow::key>(memory_.buyers, keys.buyers, rows.buyers);
    for (const SagaRow& row : rows.sagas) {
      for (const SeatNo seat_no : row.seats) seats.insert({row.show_id, seat_no});
    }
    for (const BuyerRow& row : rows.buyers) {
      for (const SeatNo seat_no : row.seats) seats.insert({row.key.show_id, seat_no});
    }
    LoadInto<decltype(memory_.seats), SeatKey, &SeatRow::key>(memory_.seats, seats, rows.seats);
    for (const ShowRow& row : memory_.show_rows) {
      if (std::ranges::find(keys.shows, row.show_id) != keys.shows.end()) rows.show_rows.push_back(row);
    }
    return rows;
  }
  Result<Forgotten> ForgetTombstones(SagaId, Timestamp before, size_t) override {
    return Forgotten{.forgotten = std::erase_if(memory_.sagas, [&](const auto& saga) {
                       return saga.second.undone && saga.first < FirstSagaAt(before);
                     })};
  }
  Result<Saved> Save(const Changes& changes) override {
    ++memory_.saves;
    if (auto work = std::exchange(memory_.before_save, nullptr)) work();
    if (auto error = std::exchange(memory_.fail_save, std::nullopt)) return std::unexpected(*error);
    Saved saved;
    for (const auto& row : changes.sagas) {
      if (memory_.sagas[row.id].version != row.version) saved.moved_sagas.push_back(row.id);
    }
    for (const auto& row : changes.buyers) {
      if (memory_.buyers[row.key].version != row.version) saved.moved_buyers.push_back(row.key);
    }
    for (const auto& row : changes.seats) {
      if (memory_.seats[row.key].version != row.version) saved.moved_seats.push_back(row.key);
    }
    for (const MarkedShow& show : changes.shows) {
      const auto stored = std::ranges::find(memory_.catalogue.shows, show.show_id, IdOf);
      const size_t capacity = stored == memory_.catalogue.shows.end() ? 0 : stored->show.layout->capacity();
      if (show.before != memory_.marks || !IsSoldOut(memory_.seats, changes, show, capacity))
        saved.moved_shows.push_back(show.show_id);
    }
    if (!saved.done()) return saved;
    for (const MarkedShow& show : changes.shows) memory_.marks = show.marks;
    for (auto row : changes.sagas) ++row.version, memory_.sagas[row.id] = row;
    for (auto row : changes.buyers) ++row.version, memory_.buyers[row.key] = row;
    for (auto row : changes.seats) ++row.version, memory_.seats[row.key] = row;
    memory_.events.insert(memory_.events.end(), changes.events.begin(), changes.events.end());
    memory_.blocks.insert(memory_.blocks.end(), changes.blocks.begin(), changes.blocks.end());
    return saved;
  }
  Result<std::vector<Concert>> LoadConcerts() override { return memory_.catalogue.concerts; }
  Result<std::optional<StoredShow>> LoadShowAfter(int64_t id) override {
    const auto found = std::ranges::find_if(memory_.catalogue.shows,
                                            [id](const StoredShow& one) { return one.show.id > id; });
    if (found == memory_.catalogue.shows.end()) return std::nullopt;
    StoredShow stored = *found;
    ++memory_.show_loads;
    if (memory_.on_show) memory_.on_show(stored.show.id);
    return stored;
  }
  Result<std::vector<SeatRow>> OwnedSeats(int64_t show_id, SeatNo after, size_t limit) override {
    std::vector<SeatRow> rows;
    for (const auto& [key, row] : memory_.seats) {
      if (key.show_id == show_id && key.seat_no > after && row.IsOwned() && rows.size() < limit) {
        rows.push_back(row);
      }
    }
    return rows;
  }
  Result<std::vector<SeatGroup>> StoredSeats(int64_t show_id, SeatNo after, SeatNo up_to) override {
    std::vector<SeatGroup> groups;
    for (const auto& [key, row] : memory_.seats) {
      if (key.show_id == show_id && key.seat_no > after && key.seat_no <= up_to && row.version > 0)
        groups.push_back({row, {key.seat_no}});
    }
    return groups;
  }
  Result<bool> SavePrices(int64_t, const Layout& layout, std::span<const PriceNote> notes) override {
    if (auto work = std::exchange(memory_.before_save, nullptr)) work();
    if (layout.version != memory_.layout_version + 1) return false;
    memory_.layout_version = layout.version;
    memory_.price_notes.insert(memory_.price_notes.end(), notes.begin(), notes.end());
    return true;
  }
  Result<std::vector<PriceNote>> LoadPriceNotes(int64_t, int64_t, size_t) override {
    return memory_.price_notes;
  }
  Result<News> LoadNews(const NewsPlace& since, std::span<const KnownLayout>) override {
    ++memory_.news_loads;
    memory_.news_since = since;
    if (memory_.on_news) memory_.on_news();
    if (memory_.fail_news) return std::unexpected(*memory_.fail_news);
    return std::exchange(memory_.news, {});
  }
  Result<std::vector<CountedShow>> CountSeats(int64_t show_id, Timestamp) override {
    if (memory_.on_count) memory_.on_count();
    return std::vector<CountedShow>{{show_id, {}}};
  }
  Result<std::vector<BlockNote>> LoadBlocks(int64_t, int64_t, size_t) override { return memory_.blocks; }
  Result<std::optional<Operation>> FindOperation(const std::string& key) override {
    const auto found = memory_.operations.find(key);
    if (found == memory_.operations.end()) return std::nullopt;
    return found->second;
  }
  Result<int64_t> CreateConcert(const Operation& operation, const Concert&) override {
    return Record(operation);
  }
  Result<bool> UpdateConcert(const Concert& before, const Concert& after) override {
    if (auto work = std::exchange(memory_.before_save, nullptr)) work();
    Concert& stored = memory_.concerts.try_emplace(before.id, before).first->second;
    if (stored != before) return false;
    stored = after;
    memory_.updated_concerts.push_back(after);
    return true;
  }
  Result<int64_t> CreateShow(const Operation& operation, const Show&) override { return Record(operation); }
  Result<bool> UpdateTerms(int64_t show_id, const ShowTerms& before, const ShowTerms& after) override {
    if (auto work = std::exchange(memory_.before_save, nullptr)) work();
    ShowTerms& stored = memory_.terms.try_emplace(show_id, before).first->second;
    if (stored != before) return false;
    stored = after;
    return true;
  }

 private:
  static int64_t IdOf(const StoredShow& stored) { return stored.show.id; }
  Result<int64_t> Record(const Operation& operation) {
    if (auto work = std::exchange(memory_.before_save, nullptr)) work();
    if (auto error = std::exchange(memory_.fail_save, std::nullopt)) return std::unexpected(*error);
    Operation recorded = operation;
    recorded.result_id = static_cast<int64_t>(100 + memory_.operations.size());
    if (!memory_.operations.emplace(operation.key, recorded).second) {
      return Fail(Code::kConflict, "constraint", "the operation's key is there already");
    }
    return recorded.result_id;
  }
  Memory& memory_;
};

// Those of a service, all on the same.
[[nodiscard]] inline SeatService::Stores StoresOf(Memory& memory) {
  return {std::make_unique<MemoryStore>(memory), std::make_unique<MemoryStore>(memory),
          std::make_unique<MemoryStore>(memory)};
}

}  // namespace boxoffice::seat
