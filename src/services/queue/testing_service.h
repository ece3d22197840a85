// The waiting room on a store in memory, for the tests of the use cases.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "platform/obs/metrics.h"
#include "services/queue/service.h"

namespace boxoffice::queue {

inline constexpr int64_t kShow = 7;

// A store in two maps, in which other writers and failures happen at chosen moments.
class FakeStore final : public Store {
 public:
  Result<void> VisitLive(const std::function<void(Show)>& on_show,
                         const std::function<void(Session)>& on_session) override {
    ++loads;
    for (const auto& [show_id, show] : shows) on_show(show);
    for (const auto& [key, session] : sessions) {
      if (session.Live() || session.Bound()) on_session(session);
    }
    return {};
  }
  Result<Found> Load(const Keys& keys) override {
    Found found;
    for (const SessionKey& key : keys.sessions) {
      if (const auto row = sessions.find(key); row != sessions.end()) found.sessions.push_back(row->second);
    }
    return found;
  }
  Result<Saved> Save(const Changes& changes) override {
    ++saves;
    if (on_save) on_save();
    if (saves == loses_all_at) {
      shows.clear();
      sessions.clear();
      return Fail(Code::kUnknown, "database_unavailable");
    }
    if (!failures.empty()) {
      const Code code = failures.back();
      failures.pop_back();
      if (code == Code::kUnknown) Write(changes);  // it was done, and nobody heard of it
      return Fail(code, "database_unavailable");
    }
    if (moves > 0) {
      --moves;
      return Saved{{changes.shows.front().show.show_id}};
    }
    for (const ShowChange& change : changes.shows) {
      if (change.durable && shows[change.show.show_id].version != change.show.version) {
        return Saved{{change.show.show_id}};
      }
    }
    Write(changes);
    return Saved{};
  }
  Result<Purged> Purge(Timestamp before, int64_t) override {
    purges.push_back(before);
    return Purged{.rows = 7, .more = purges.size() % purge_parts != 0};
  }

  void Write(const Changes& changes) {
    for (const ShowChange& change : changes.shows) {
      if (change.durable) {
        shows[change.show.show_id] = change.show;
        ++shows[change.show.show_id].version;
      }
      for (const SessionChange& session : change.sessions) {
        if (session.Durable()) sessions[{change.show.show_id, session.session.sequence}] = session.session;
      }
    }
  }

  std::map<int64_t, Show> shows;
  std::map<SessionKey, Session> sessions;
  std::function<void()> on_save;
  std::vector<Code> failures;  // of the next saves, from the back
  std::vector<Timestamp> purges;
  size_t purge_parts = 1;  // calls that a round takes
  int moves = 0;           // of the next saves, that find that another process was there first
  int saves = 0;
  int loses_all_at = 0;  // which save
  int loads = 0;
};

class ServiceTest : public ::testing::Test {
 protected:
  // Runs commands one batch each, to the end, on a service that is loaded anew.
  std::vector<Result<Outcome>> RunAll(const std::vector<Command>& commands) {
    std::vector<Result<Outcome>> outcomes(commands.size(), Outcome{});
    Service service(store_, clock_, metrics_, {.max_batch = 1});
    EXPECT_TRUE(service.Load().has_value());
    for (size_t i = 0; i < commands.size(); ++i) {
      service.Submit(commands[i],
                     [&outcomes, i](Result<Outcome> outcome) { outcomes[i] = std::move(outcome); });
    }
    service.Stop();
    views_ = service.Views();
    works_ = service.store_works();
    return outcomes;
  }
  static Result<Outcome> RunOn(Service& service, Command command) {
    std::promise<Result<Outcome>> promise;
    service.Submit(std::move(command),
                   [&](Result<Outcome> outcome) { promise.set_value(std::move(outcome)); });
    return promise.get_future().get();
  }
  static SessionAnswer SessionIn(const Result<Outcome>& outcome) {
    return std::get<SessionAnswer>(outcome.value());
  }
  Command JoinOf(const std::string& user) { return Join{kShow, user}; }

  FakeStore store_;
  ManualClock clock_;
  obs::Registry metrics_;
  std::vector<QueueView> views_;
  bool works_ = false;
};

}  // namespace boxoffice::queue
