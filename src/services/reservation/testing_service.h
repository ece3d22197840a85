// What tests of the service share: a store in memory that fails as it is told, and readers.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "services/reservation/saga/shows.h"
#include "services/reservation/store_memory.h"
#include "services/reservation/testing_show_reader.h"

namespace boxoffice::reservation {

// Of no show does anybody hear.
class NoShows final : public Shows {
 public:
  int asked = 0;  // of Get
  asio::awaitable<Result<ShowView>> Get(int64_t) override {
    ++asked;
    co_return Nothing();
  }
  asio::awaitable<Result<void>> Cancel(int64_t) override { co_return Nothing(); }
  asio::awaitable<Result<Hall>> SeeSeats(int64_t) override { co_return Nothing(); }
  asio::awaitable<Result<ShowView>> SetWaitlistFirst(int64_t, bool) override { co_return Nothing(); }

 private:
  static std::unexpected<Error> Nothing() { return Fail(Code::kNotFound, "show_not_found"); }
};

// Used by the batch executor's thread, looked at by the test's.
class SharedStore final : public Store {
 public:
  Result<Rows> Load(const Keys& keys, Timestamp now) override {
    const std::scoped_lock lock(mutex_);
    return store_.Load(keys, now);
  }
  Result<std::vector<bool>> Save(std::span<const Change> changes) override {
    const std::scoped_lock lock(mutex_);
    if (full) return Fail(Code::kUnavailable, "database_unavailable", "full");
    EndLate();
    const bool is_lost = loses && std::ranges::any_of(changes, loses);
    if (is_lost && ends_late) {
      late_.assign(changes.begin(), changes.end());
    } else {
      auto saved = store_.Save(changes);
      if (!is_lost) return saved;
    }
    loses = nullptr;
    ++lost;
    return Fail(Code::kUnknown, "commit_unknown", "the connection was lost");
  }
  Result<Forgotten> ForgetRequests(Timestamp before, int64_t limit) override {
    const std::scoped_lock lock(mutex_);
    return store_.ForgetRequests(before, limit);
  }
  std::optional<Reservation> Only() {
    const std::scoped_lock lock(mutex_);
    if (store_.reservations().empty()) return std::nullopt;
    return store_.reservations().begin()->second;
  }
  std::vector<std::string> Events() {
    const std::scoped_lock lock(mutex_);
    return store_.events();
  }
  // As MemoryStore::is_cancelled. Called on the executor's thread.
  void IsCancelledBy(std::function<bool(int64_t show_id)> is_cancelled) {
    const std::scoped_lock lock(mutex_);
    store_.is_cancelled = std::move(is_cancelled);
  }
  // While set, nothing can be saved.
  std::atomic<bool> full = false;
  // The first COMMIT with such a change is done, and its answer lost. Set before the service runs.
  std::function<bool(const Change&)> loses;
  // It is done only when the next begins: the database still waited for a standby, say.
  bool ends_late = false;
  int lost = 0;

 private:
  void EndLate() {
    if (late_.empty()) return;
    EXPECT_TRUE(store_.Save(std::exchange(late_, {})));
  }

  std::mutex mutex_;
  MemoryStore store_;
  std::vector<Change> late_;
};

// Runs what is to be done until then; false: it did not come so far in that time.
inline bool RunFor(boost::asio::io_context& io, milliseconds limit, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done() && std::chrono::steady_clock::now() < end) {
    io.restart();
    io.run_for(milliseconds(1));
  }
  return done();
}

// Finds nothing.
class EmptyReader : public Reader {
 public:
  Result<std::optional<Reservation>> Get(ReservationId) override { return std::nullopt; }
  Result<Page> List(const ListQuery&) override { return Page(); }
  Result<Page> ListSagas(std::optional<SagaStatus>, ReservationId, uint32_t) override { return Page(); }
  Result<std::vector<SagaCount>> CountSagas() override { return std::vector<SagaCount>(); }
  Result<Page> Scan(ReservationId, uint32_t) override { return Page(); }
};

// Finds the only one that there is.
class OnlyReader final : public EmptyReader {
 public:
  explicit OnlyReader(SharedStore& store) : store_(store) {}
  Result<std::optional<Reservation>> Get(ReservationId) override { return store_.Only(); }

 private:
  SharedStore& store_;
};

}  // namespace boxoffice::reservation
