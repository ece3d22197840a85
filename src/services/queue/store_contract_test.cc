// What every store of the waiting room does alike. Add a store: add its factory at the end.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "base/random.h"
#include "platform/archive/rows.h"
#include "platform/redis/redis_for_test.h"
#include "platform/sql/sqlite.h"
#include "services/queue/queue_rules.h"
#include "services/queue/store.h"
#include "services/queue/store_redis.h"
#include "services/queue/store_rows.h"
#include "services/queue/store_sqlite.h"
#include "testing/redis_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Timestamp kNow = FromUnixMs(1'800'000'000'000);
constexpr StoredParts kAll{.row = true, .binding = true, .membership = true};

// A store under test with what it needs to live.
class Home {
 public:
  virtual ~Home() = default;
  virtual Stores Open() = 0;
};
struct Kind {
  std::string name;
  bool needs_redis;
  std::function<std::unique_ptr<Home>()> make_home;
};

class StoreContractTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam().needs_redis) BOXOFFICE_NEEDS_REDIS();
    home_ = GetParam().make_home();
    Reopen();
  }
  void Reopen() {
    stores_ = {};
    stores_ = home_->Open();
  }
  Session NewSession(uint64_t sequence, SessionState state, int64_t show_id = 7) {
    Session session{.show_id = show_id,
                    .sequence = sequence,
                    .user_id = "user" + std::to_string(sequence),
                    .state = state,
                    .joined_at = kNow};
    if (state != SessionState::kWaiting) session.admitted_at = kNow + milliseconds(1);
    if (!session.Live()) session.ended_at = kNow + milliseconds(2);
    return session;
  }
  void BindTo(Session& session) {
    session.saga = SagaId::Make(kNow, random_);
    session.reservation = ReservationId::Make(kNow, random_);
  }
  static Show ShowOf(int64_t version, uint64_t last, int64_t show_id = 7) {
    return {.show_id = show_id, .version = version, .last_sequence = last};
  }
  static Changes ChangesOf(const Show& show, const std::vector<Session>& sessions, bool is_new = true) {
    ShowChange change{.show = show, .durable = true};
    for (const Session& session : sessions) {
      change.sessions.push_back({.session = session, .is_new = is_new, .parts = kAll});
    }
    return {.shows = {change}};
  }
  bool Saves(const Changes& changes) {
    const auto saved = stores_.store->Save(changes);
    EXPECT_TRUE(saved.has_value()) << saved.error().detail;
    return saved && saved->moved_shows.empty();
  }
  Found Load(const Keys& keys) { return *stores_.store->Load(keys); }
  std::pair<std::vector<Show>, std::vector<Session>> Live() {
    std::pair<std::vector<Show>, std::vector<Session>> live;
    EXPECT_TRUE(
        stores_.store->VisitLive([&](Show show) { live.first.push_back(std::move(show)); },
                                 [&](Session session) { live.second.push_back(std::move(session)); }));
    return live;
  }

  std::unique_ptr<Home> home_;
  Stores stores_;
  SeededRandom random_{1};
};

TEST_P(StoreContractTest, AnEmptyStoreHasNothing) {
  EXPECT_THAT(Live().first, IsEmpty());
  EXPECT_THAT(Load({.sessions = {{7, 1}}, .sagas = {{SagaId::Make(kNow, random_), 7}}}).sessions, IsEmpty());
  EXPECT_EQ(stores_.store->Purge(kNow, 10)->rows, 0);
}

TEST_P(StoreContractTest, WhatIsSavedIsThereAfterReopening) {
  Show show{.show_id = 7,
            .settings = {0.125, 9, QueueState::kPaused, kNow + milliseconds(7)},
            .last_sequence = 5,
            .head_sequence = 3,
            .completed = 2,
            .expired = 1,
            .left = 4,
            .admitted = 6,
            .draw = {.seed = std::string(64, 'e'), .first = 1, .entrants = 2, .drawn_at = kNow}};
  Session bound = NewSession(3, SessionState::kActive);
  BindTo(bound);
  const Session waiting = NewSession(4, SessionState::kWaiting);
  ASSERT_TRUE(Saves(ChangesOf(show, {bound, waiting})));
  Reopen();
  const auto [shows, sessions] = Live();
  show.version = 1;
  EXPECT_THAT(shows, ElementsAre(show));
  EXPECT_THAT(sessions, ElementsAre(bound, waiting));
}

TEST_P(StoreContractTest, WhoeverJoinsInACrowdIsThereAsIfAlone) {
  std::vector<Session> sessions;
  for (uint64_t sequence = 1; sequence <= 100; ++sequence) {
    sessions.push_back(
        NewSession(sequence, sequence % 37 == 0 ? SessionState::kActive : SessionState::kWaiting));
    if (sequence > 80) sessions.back().joined_at = kNow + milliseconds(sequence / 2);
  }
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 100), sessions)));
  Reopen();
  EXPECT_EQ(Live().second, sessions);
}

TEST_P(StoreContractTest, WhoWasDrawnToALaterPlaceStillWaitsWhateverTheNumber) {
  Show show{.show_id = 7,
            .last_sequence = 1'000,
            .head_sequence = 600,
            .draw = {.seed = std::string(64, 'e'), .first = 0, .entrants = 1'000, .drawn_at = kNow}};
  const Session called = NewSession(999, SessionState::kExpired);
  const std::vector<Session> waiting{NewSession(1, SessionState::kWaiting),
                                     NewSession(400, SessionState::kWaiting),
                                     NewSession(1'000, SessionState::kWaiting)};
  ASSERT_TRUE(Saves(ChangesOf(show, {waiting[0], waiting[1], called, waiting[2]})));
  Reopen();
  EXPECT_EQ(Live().second, waiting);
  show.version = 1;
  show.head_sequence = 1'000;  // the draw is over
  Session last = waiting[2];
  last.state = SessionState::kExpired;
  ASSERT_TRUE(Saves(ChangesOf(show, {last}, /*is_new=*/false)));
}

TEST_P(StoreContractTest, LiveAreTheWaitingTheActiveAndTheExpiredWhileBound) {
  Session bound = NewSession(4, SessionState::kExpired);
  BindTo(bound);
  Session completed = NewSession(5, SessionState::kCompleted);
  BindTo(completed);
  ASSERT_TRUE(Saves(
      ChangesOf(ShowOf(0, 5), {NewSession(1, SessionState::kWaiting), NewSession(2, SessionState::kActive),
                               NewSession(3, SessionState::kExpired), bound, completed})));
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 1, 8), {NewSession(1, SessionState::kWaiting, 8)})));
  std::vector<SessionKey> keys;
  for (const Session& session : Live().second) keys.push_back({session.show_id, session.sequence});
  EXPECT_THAT(keys, ElementsAre(SessionKey{7, 1}, SessionKey{7, 2}, SessionKey{7, 4}, SessionKey{8, 1}));
}

TEST_P(StoreContractTest, LoadGivesTheSessionsThatAreThereInTheOrderOfTheKeys) {
  const Session first = NewSession(1, SessionState::kExpired);
  const Session second = NewSession(2, SessionState::kCompleted);
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 2), {first, second})));
  EXPECT_THAT(Load({.sessions = {{7, 1}, {7, 2}, {7, 3}, {8, 1}}}).sessions, ElementsAre(first, second));
}

TEST_P(StoreContractTest, AChangedSessionReplacesWhatWasStored) {
  Session session = NewSession(1, SessionState::kWaiting);
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 1), {session})));
  session.state = SessionState::kCompleted;
  session.admitted_at = kNow + milliseconds(5);
  session.ended_at = kNow + milliseconds(6);
  BindTo(session);
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(1, 1), {session}, /*is_new=*/false)));
  EXPECT_THAT(Load({.sessions = {{7, 1}}}).sessions, ElementsAre(session));
  session.saga = {};
  session.reservation = {};
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(2, 1), {session}, /*is_new=*/false)));
  EXPECT_THAT(Load({.sessions = {{7, 1}}}).sessions, ElementsAre(session));
}

// Whoever loads it after a crash at any of these points finds all of it.
TEST_P(StoreContractTest, SavedByThePartsThatCommandsChangeASessionIsStoredAsAWhole) {
  WaitingRoom room;
  Timestamp now = kNow;
  std::map<uint64_t, Session> sessions;
  const auto run = [&](const std::vector<Command>& commands) {
    const Found found = Load(KeysOf(room, commands));
    const Decision decision = Decide({room, found}, commands, now);
    ASSERT_TRUE(Saves(decision.changes));
    room.Apply(decision.changes);
    for (const SessionChange& change : decision.changes.shows.at(0).sessions) {
      Session& session = sessions[change.session.sequence] = change.session;
      session.last_seen = session.active_until = Timestamp();
    }
    Reopen();
    std::vector<Session> stored;
    for (const auto& [sequence, session] : sessions) stored.push_back(session);
    EXPECT_EQ(*stores_.history->Sessions(7, 0, 100), stored);
    std::erase_if(stored, [](const Session& session) { return !session.Live() && !session.Bound(); });
    EXPECT_EQ(Live().second, stored);
  };
  std::vector<SagaCall> calls;
  std::vector<Ticket> tickets;
  for (uint64_t s = 1; s <= 4; ++s) {
    const std::string user = "user" + std::to_string(s);
    calls.push_back({SagaId::Make(kNow, random_), ReservationId::Make(kNow, random_), user, 7});
    tickets.push_back({.claims = {7, s, user, TokenEnd(kNow)}});
  }
  run({Configure{.show_id = 7, .active_cap = 3}, Join{7, "user1"}, Join{7, "user2"}, Join{7, "user3"}});
  run({Join{7, "user4"}});
  run({Bind{calls[0], tickets[0]}, Bind{calls[1], tickets[1]}});
  run({Complete{calls[0]}});
  run({Tick{}});  // user4 gets in
  run({Bind{calls[3], tickets[3]}, Complete{calls[3]}, Bind{calls[2], tickets[2]}});
  calls[1].saga = SagaId::Make(kNow, random_);
  run({Bind{calls[1], tickets[1]}});  // it takes the binding over
  now += kActiveTime;
  run({Tick{}});  // both are EXPIRED while bound
  run({Unbind{calls[1]}});
  run({Complete{calls[2]}});
  EXPECT_THAT(Live().second, IsEmpty());
}

TEST_P(StoreContractTest, ARoundOfAdmissionChangesThoseAndNobodyElse) {
  std::vector<Session> sessions;
  for (uint64_t s = 1; s <= 6; ++s) sessions.push_back(NewSession(s, SessionState::kWaiting));
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 6), sessions)));
  for (size_t i = 1; i <= 3; ++i) sessions[i].state = SessionState::kActive;
  for (size_t i = 1; i <= 3; ++i) sessions[i].admitted_at = kNow + milliseconds(5);
  sessions[4].state = SessionState::kActive;
  sessions[4].admitted_at = kNow + milliseconds(6);
  const std::vector<Session> admitted(sessions.begin() + 1, sessions.begin() + 5);
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(1, 6), admitted, /*is_new=*/false)));
  EXPECT_EQ(Live().second, sessions);
}

TEST_P(StoreContractTest, NeighboursThatAreUnboundTogetherAreUnbound) {
  std::vector<Session> sessions = {NewSession(1, SessionState::kActive),
                                   NewSession(2, SessionState::kActive)};
  for (Session& session : sessions) BindTo(session);
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 2), sessions)));
  for (Session& session : sessions) {
    session.saga = {};
    session.reservation = {};
  }
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(1, 2), sessions, /*is_new=*/false)));
  EXPECT_EQ(Live().second, sessions);
}

TEST_P(StoreContractTest, WhatIsNotDurableIsNotSaved) {
  Changes changes = ChangesOf(ShowOf(0, 1), {NewSession(1, SessionState::kWaiting)});
  changes.shows[0].sessions[0].parts = {};
  ASSERT_TRUE(Saves(changes));
  EXPECT_THAT(Load({.sessions = {{7, 1}}}).sessions, IsEmpty());
}

TEST_P(StoreContractTest, AShowThatMovedIsToldAndNothingOfItIsSaved) {
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 1), {NewSession(1, SessionState::kWaiting)})));
  Changes late = ChangesOf(ShowOf(0, 1), {NewSession(1, SessionState::kActive)});
  late.sagas.push_back({.saga = SagaId::Make(kNow, random_),
                        .session = {7, 1},
                        .reservation = ReservationId::Make(kNow, random_)});
  EXPECT_THAT(stores_.store->Save(late)->moved_shows, ElementsAre(7));
  EXPECT_THAT(Live().first, SizeIs(1));
  EXPECT_THAT(Live().second, ElementsAre(NewSession(1, SessionState::kWaiting)));
  EXPECT_THAT(Load({.sagas = {{late.sagas[0].saga, 7}}}).sagas, IsEmpty());
}

TEST_P(StoreContractTest, OfSeveralShowsThoseThatMovedAreTold) {
  Changes both = ChangesOf(ShowOf(0, 1), {NewSession(1, SessionState::kWaiting)});
  both.shows.push_back(ChangesOf(ShowOf(0, 1, 8), {NewSession(1, SessionState::kWaiting, 8)}).shows[0]);
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 0, 8), {})));
  EXPECT_THAT(stores_.store->Save(both)->moved_shows, ElementsAre(8));
  both.shows[1].show.version = 1;
  both.shows[0].show.version = Live().first.size() == 2 ? 1 : 0;  // a store may have saved that one
  both.shows[0].sessions[0].is_new = both.shows[0].show.version == 0;
  ASSERT_TRUE(Saves(both));
  EXPECT_THAT(Live().second,
              ElementsAre(NewSession(1, SessionState::kWaiting), NewSession(1, SessionState::kWaiting, 8)));
}

TEST_P(StoreContractTest, ASecondWriterMovesTheShow) {
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 0), {})));
  Stores other = home_->Open();
  ASSERT_TRUE(other.store->Save(ChangesOf(ShowOf(1, 0), {}))->moved_shows.empty());
  EXPECT_THAT(stores_.store->Save(ChangesOf(ShowOf(1, 0), {}))->moved_shows, ElementsAre(7));
  EXPECT_EQ(Live().first[0].version, 2);
  EXPECT_TRUE(Saves(ChangesOf(ShowOf(2, 0), {})));
}

TEST_P(StoreContractTest, ASagaThatWasLetInIsKept) {
  const SagaRecord record{
      SagaId::Make(kNow, random_), SagaEnding::kLetIn, {7, 0}, ReservationId::Make(kNow, random_), kNow};
  ASSERT_TRUE(Saves({.sagas = {record}}));
  Reopen();
  EXPECT_THAT(Load({.sagas = {{record.saga, 7}}}).sagas, ElementsAre(record));
}

TEST_P(StoreContractTest, ASagasRecordIsKeptAndReplaced) {
  SagaRecord record{
      SagaId::Make(kNow, random_), SagaEnding::kMoved, {7, 1}, ReservationId::Make(kNow, random_), kNow};
  ASSERT_TRUE(Saves({.sagas = {record}}));
  EXPECT_THAT(Load({.sagas = {{record.saga, 7}}}).sagas, ElementsAre(record));
  record.ending = SagaEnding::kUndone;
  record.recorded_at += milliseconds(1);
  ASSERT_TRUE(Saves({.sagas = {record}}));
  Reopen();
  EXPECT_THAT(Load({.sagas = {{record.saga, 7}}}).sagas, ElementsAre(record));
}

TEST_P(StoreContractTest, PurgeDeletesWhatEndedAndIsOldAndNothingElse) {
  Session old_live = NewSession(1, SessionState::kActive);
  Session old_ended = NewSession(2, SessionState::kExpired);
  Session old_completed = NewSession(3, SessionState::kCompleted);
  Session young = NewSession(4, SessionState::kExpired);
  young.joined_at = kNow + milliseconds(10);
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 4), {old_live, old_ended, old_completed, young})));
  const SagaRecord old_saga{.saga = SagaId::Make(kNow, random_), .session = {7, 2}, .recorded_at = kNow};
  const SagaRecord young_saga{.saga = SagaId::Make(kNow + milliseconds(10), random_),
                              .session = {7, 4},
                              .recorded_at = kNow + milliseconds(10)};
  ASSERT_TRUE(Saves({.sagas = {old_saga, young_saga}}));
  EXPECT_EQ(stores_.store->Purge(kNow + milliseconds(1), 100)->rows, 3);
  const Found found = Load(
      {.sessions = {{7, 1}, {7, 2}, {7, 3}, {7, 4}}, .sagas = {{old_saga.saga, 7}, {young_saga.saga, 7}}});
  EXPECT_THAT(found.sessions, ElementsAre(old_live, young));
  EXPECT_THAT(found.sagas, ElementsAre(young_saga));
}

TEST_P(StoreContractTest, PurgeLooksAtNoMoreThanItsLimit) {
  std::vector<Session> sessions;
  for (uint64_t s = 1; s <= 5; ++s) sessions.push_back(NewSession(s, SessionState::kExpired));
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 5), sessions)));
  EXPECT_EQ(stores_.store->Purge(kNow + milliseconds(1), 3)->rows, 3);
  EXPECT_EQ(stores_.store->Purge(kNow + milliseconds(1), 3)->rows, 2);
}

TEST_P(StoreContractTest, PurgeLooksAtAFewShowsAtATime) {
  constexpr auto kFew = static_cast<int64_t>(kPurgedAtOnce);
  Changes changes;
  for (int64_t show_id = 1; show_id <= 2 * kFew + 1; ++show_id) {
    const Session session = NewSession(1, SessionState::kExpired, show_id);
    changes.shows.push_back(ChangesOf(ShowOf(0, 1, show_id), {session}).shows[0]);
  }
  ASSERT_TRUE(Saves(changes));
  const auto purge = [this] { return stores_.store->Purge(kNow + milliseconds(1), 1'000).value(); };
  for (int part = 0; part < 2; ++part) {
    const Purged purged = purge();
    EXPECT_EQ(purged.rows, kFew);
    EXPECT_TRUE(purged.more);
  }
  const Purged last = purge();
  EXPECT_EQ(last.rows, 1);
  EXPECT_FALSE(last.more);
  for (const int64_t show_id : {int64_t{1}, 2 * kFew + 1}) {
    const Session session = NewSession(2, SessionState::kExpired, show_id);
    ASSERT_TRUE(Saves(ChangesOf(ShowOf(1, 2, show_id), {session})));
  }
  int64_t rows = 0;
  for (int part = 0; part < 3; ++part) rows += purge().rows;
  EXPECT_EQ(rows, 2) << "then it begins anew";
}

TEST_P(StoreContractTest, OncePurgeHasDeletedItsLimitOtherShowsWaitForTheNext) {
  for (const int64_t show_id : {7, 8}) {
    const std::vector<Session> sessions{NewSession(1, SessionState::kExpired, show_id),
                                        NewSession(2, SessionState::kExpired, show_id)};
    ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 2, show_id), sessions)));
  }
  const Purged first = stores_.store->Purge(kNow + milliseconds(1), 2).value();
  EXPECT_EQ(first.rows, 2);
  EXPECT_TRUE(first.more);
  const Purged second = stores_.store->Purge(kNow + milliseconds(1), 2).value();
  EXPECT_EQ(second.rows, 2);
  EXPECT_FALSE(second.more);
}

TEST_P(StoreContractTest, HistoryGoesByPages) {
  const Session first = NewSession(1, SessionState::kCompleted);
  const Session second = NewSession(2, SessionState::kActive);
  const Session third = NewSession(3, SessionState::kWaiting);
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 3), {first, second, third})));
  EXPECT_THAT(*stores_.history->Sessions(7, 0, 2), ElementsAre(first, second));
  EXPECT_THAT(*stores_.history->Sessions(7, 2, 2), ElementsAre(third));
  EXPECT_THAT(*stores_.history->Sessions(8, 0, 2), IsEmpty());
}

TEST_P(StoreContractTest, ManySessionsAreThereInTheirOrder) {
  std::vector<Session> sessions;
  for (uint64_t s = 1; s <= 1'000; ++s) {
    sessions.push_back(NewSession(s, s % 3 == 0 ? SessionState::kExpired : SessionState::kWaiting));
  }
  sessions[499].user_id = std::string(kMaxUserBytes, 'x');
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 1'000), sessions)));
  EXPECT_EQ(*stores_.history->Sessions(7, 0, 2'000), sessions);
  EXPECT_EQ(stores_.history->Sessions(7, 700, 200)->back(), sessions[899]);
  std::erase_if(sessions, [](const Session& session) { return !session.Live(); });
  EXPECT_EQ(Live().second, sessions);
}

TEST_P(StoreContractTest, WhatIsPurgedIsGoneFromEveryList) {
  std::vector<Session> sessions;
  for (uint64_t s = 1; s <= 300; ++s) sessions.push_back(NewSession(s, SessionState::kExpired));
  for (size_t i = 0; i < 300; i += 10) BindTo(sessions[i]);
  sessions.push_back(NewSession(301, SessionState::kWaiting));
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 301), sessions)));
  EXPECT_EQ(stores_.store->Purge(kNow + milliseconds(1), 1'000)->rows, 300);
  EXPECT_THAT(Live().second, ElementsAre(sessions.back()));
  EXPECT_THAT(*stores_.history->Sessions(7, 0, 10), ElementsAre(sessions.back()));
  EXPECT_EQ(stores_.store->Purge(kNow + milliseconds(1), 1'000)->rows, 0);
}

TEST_P(StoreContractTest, SagasGoByPages) {
  std::vector<SagaRecord> sagas;
  for (int i = 0; i < 5; ++i) {
    sagas.push_back(
        {SagaId::Make(kNow, random_), SagaEnding::kMoved, {7, 1}, ReservationId::Make(kNow, random_), kNow});
  }
  std::ranges::sort(sagas, {}, &SagaRecord::saga);
  Changes changes{.sagas = sagas};
  changes.sagas.push_back({.saga = SagaId::Make(kNow, random_), .session = {8, 1}, .recorded_at = kNow});
  ASSERT_TRUE(Saves(changes));
  EXPECT_THAT(*stores_.history->Sagas(7, {}, 2), ElementsAre(sagas[0], sagas[1]));
  EXPECT_THAT(*stores_.history->Sagas(7, sagas[1].saga, 10), ElementsAre(sagas[2], sagas[3], sagas[4]));
  EXPECT_THAT(*stores_.history->Sagas(9, {}, 10), IsEmpty());
}

// Shows with everything that there can be: enough for several pages, a show that nobody joined, tombstones.
class MovedQueue {
 public:
  explicit MovedQueue(Random& random) {
    Session bound{.show_id = 7,
                  .sequence = 3,
                  .user_id = "mina",
                  .state = SessionState::kActive,
                  .joined_at = kNow,
                  .admitted_at = kNow + milliseconds(1),
                  .saga = SagaId::Make(kNow, random),
                  .reservation = ReservationId::Make(kNow, random)};
    Session completed = bound;
    completed.sequence = 4;
    completed.state = SessionState::kCompleted;
    completed.ended_at = kNow + milliseconds(2);
    changes_.shows.push_back({.show = {.show_id = 7,
                                       .settings = {0.125, 9, QueueState::kPaused},
                                       .last_sequence = 25'000,
                                       .head_sequence = 4,
                                       .completed = 1,
                                       .expired = 2},
                              .durable = true});
    for (Session session : {bound, completed})
      changes_.shows[0].sessions.push_back({.session = std::move(session), .is_new = true, .parts = kAll});
    for (uint64_t sequence = 5; sequence <= 25'000; ++sequence) {
      Session waiting{.show_id = 7,
                      .sequence = sequence,
                      .user_id = "user" + std::to_string(sequence),
                      .state = SessionState::kWaiting,
                      .joined_at = kNow};
      changes_.shows[0].sessions.push_back({.session = std::move(waiting), .is_new = true, .parts = kAll});
    }
    changes_.shows.push_back({.show = {.show_id = 8}, .durable = true});
    changes_.sagas.push_back({SagaId::Make(kNow, random), SagaEnding::kUndone, {7, 0}, {}, kNow});
    changes_.sagas.push_back(
        {SagaId::Make(kNow, random), SagaEnding::kMoved, {7, 3}, bound.reservation, kNow + milliseconds(5)});
  }
  [[nodiscard]] const Changes& changes() const { return changes_; }

 private:
  Changes changes_;
};

TEST_P(StoreContractTest, AllRowsCanBeMovedToAnyStoreAndBack) {
  ASSERT_TRUE(Saves(MovedQueue(random_).changes()));
  const auto dump = [](Stores& stores) {
    return [&stores](archive::Sink& sink) { return DumpRows(stores, sink); };
  };
  const archive::Digest before = archive::DigestOf(dump(stores_)).value();
  EXPECT_EQ(before.rows(), 25'002);
  testbed::TempDir dir;
  Stores sqlite = OpenSqlite(dir.path() / "queue.db").value();
  ASSERT_TRUE(LoadRows(sqlite, dump(stores_)));
  EXPECT_EQ(archive::DigestOf(dump(sqlite))->ToHex(), before.ToHex());
  const auto [shows, sessions] = Live();

  home_.reset();
  home_ = GetParam().make_home();  // an empty one
  Reopen();
  EXPECT_EQ(archive::DigestOf(dump(stores_))->rows(), 0);
  ASSERT_TRUE(LoadRows(stores_, dump(sqlite)));
  EXPECT_EQ(archive::DigestOf(dump(stores_))->ToHex(), before.ToHex());
  Reopen();
  EXPECT_EQ(Live().second, sessions) << "who waits keeps the place";
  ASSERT_EQ(Live().first.size(), 2U);
  EXPECT_EQ(Live().first[0].settings, shows[0].settings);
  EXPECT_TRUE(Saves(ChangesOf(Live().first[0], {}))) << "and the queue goes on";
}

TEST_P(StoreContractTest, ASnapshotIsOfOneMomentWhileTheQueueGoesOn) {
  ASSERT_TRUE(Saves(MovedQueue(random_).changes()));
  const archive::Dump dump = [this](archive::Sink& sink) { return DumpRows(stores_, sink); };
  const std::string before = archive::DigestOf(dump)->ToHex();
  const auto snapshot = SnapshotOf(std::move(stores_.history));
  EXPECT_TRUE(snapshot->KeepsNobody());
  ASSERT_TRUE(snapshot->Hold());
  ASSERT_TRUE(snapshot->Take());
  Show show = Live().first[0];
  std::vector<Session> joins;
  for (int i = 0; i < 500; ++i) joins.push_back(NewSession(++show.last_sequence, SessionState::kWaiting));
  ASSERT_TRUE(Saves(ChangesOf(show, joins))) << "nobody is held";
  ASSERT_TRUE(snapshot->Release());
  EXPECT_EQ(archive::DigestOf([&](archive::Sink& sink) { return snapshot->Dump(sink); })->ToHex(), before);
  Reopen();
  EXPECT_NE(archive::DigestOf(dump)->ToHex(), before);
}

TEST_P(StoreContractTest, RowsAreNotLoadedOverThoseOfAnotherQueue) {
  ASSERT_TRUE(Saves(ChangesOf(ShowOf(0, 1), {NewSession(1, SessionState::kWaiting)})));
  testbed::TempDir dir;
  Stores other = OpenSqlite(dir.path() / "queue.db").value();
  ASSERT_TRUE(other.store->Save(ChangesOf(ShowOf(0, 1), {NewSession(1, SessionState::kActive)})));
  const auto loaded = LoadRows(stores_, [&](archive::Sink& sink) { return DumpRows(other, sink); });
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().reason, "target_not_empty");
  EXPECT_THAT(Live().second, ElementsAre(NewSession(1, SessionState::kWaiting)));
}

TEST_P(StoreContractTest, RowsOfAnotherFormAreRefused) {
  const auto load = [&](const archive::Table& table, archive::Row row) {
    return LoadRows(stores_, [&](archive::Sink& sink) -> Result<void> {
      BOXOFFICE_TRY(sink.Begin(table));
      return sink.Add({&row, 1});
    });
  };
  EXPECT_EQ(load({"place", {"id"}}, {int64_t{1}}).error().reason, "archive_schema");
  const archive::Table saga{"saga",
                            {"saga_id", "ending", "show_id", "sequence", "reservation_id", "recorded_at_ms"}};
  EXPECT_EQ(
      load(saga, {std::string("short"), int64_t{1}, int64_t{7}, int64_t{1}, archive::Value(), int64_t{1}})
          .error()
          .reason,
      "archive_schema");
  EXPECT_EQ(load(saga, {int64_t{1}}).error().reason, "archive_schema");
}

TEST_P(StoreContractTest, WhoHasTakenTheLeadKeepsItAndMayTakeItAgainAfterItsRelease) {
  const auto held = [](const Result<std::optional<Leadership::Moment>>& until) {
    return until && *until && **until > std::chrono::steady_clock::now();
  };
  Leadership& leadership = *stores_.leadership;
  EXPECT_TRUE(held(leadership.Take()));
  EXPECT_TRUE(held(leadership.Take())) << "as after a reply that was lost";
  EXPECT_TRUE(held(leadership.Renew()));
  EXPECT_TRUE(leadership.Release());
  EXPECT_TRUE(leadership.Release()) << "again: no effect";
  EXPECT_TRUE(held(leadership.Take()));
}

class SqliteHome final : public Home {
 public:
  Stores Open() override { return *OpenSqlite(dir_.path() / "queue.db"); }

 private:
  testbed::TempDir dir_;
};

class RedisHome final : public Home {
 public:
  explicit RedisHome(std::string url) : url_(std::move(url)) {}
  Stores Open() override { return *OpenRedis(url_, redis::kPatient, std::chrono::seconds(60)); }

 private:
  const std::string url_;
};

INSTANTIATE_TEST_SUITE_P(
    Stores, StoreContractTest,
    ::testing::Values(Kind{"Sqlite", false, [] { return std::make_unique<SqliteHome>(); }},
                      Kind{"Redis", true,
                           [] { return std::make_unique<RedisHome>(testbed::EmptyRedis().Url()); }},
                      Kind{"RedisCluster", true,
                           [] { return std::make_unique<RedisHome>(testbed::EmptyRedisCluster().Url()); }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace boxoffice::queue
