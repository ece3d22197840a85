#include "services/wallet/service.h"

#include <future>

#include <gmock/gmock.h>

namespace boxoffice::wallet {
namespace {

const Currency kKrw = *Currency::Parse("KRW");

// A store in which others write at chosen moments.
class ContendedStore final : public Store {
 public:
  Result<Rows> Load(const Keys&) override {
    ++loads;
    if (broken) return Fail(Code::kUnavailable, "database_unavailable");
    return Rows{};
  }
  Result<Keys> Save(const Changes& changes) override {
    saves.push_back(changes);
    if (moves.empty()) return Keys{};
    Keys moved = moves.front();
    moves.erase(moves.begin());
    return moved;
  }

  std::vector<Keys> moves;  // answers of the next saves
  std::vector<Changes> saves;
  int loads = 0;
  bool broken = false;
};

class ServiceTest : public ::testing::Test {
 protected:
  Command DebitOf(const std::string& user) {
    return {
        Debit{
            SagaId::Make(clock_.Now(), random_), ReservationId::Make(clock_.Now(), random_), user, {1, kKrw}},
        ""};
  }
  Command TopUpOf(const std::string& user) { return {TopUp{"key", user, {10, kKrw}}, ""}; }

  // Runs commands to the end.
  std::vector<Result<Outcome>> RunAll(std::vector<Command> commands) {
    std::vector<Result<Outcome>> outcomes(commands.size(), Outcome{});
    Service service(store_, clock_, random_, metrics_, {}, [this] { ++commits_; });
    for (size_t i = 0; i < commands.size(); ++i) {
      service.Submit(commands[i],
                     [&outcomes, i](Result<Outcome> outcome) { outcomes[i] = std::move(outcome); });
    }
    service.Stop();
    works_ = service.store_works();
    return outcomes;
  }

  ContendedStore store_;
  ManualClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  int commits_ = 0;
  bool works_ = true;
};

TEST_F(ServiceTest, ACommandWhoseRowMovedIsDecidedAgain) {
  store_.moves = {Keys{.wallets = {{"ann", kKrw}}, .sagas = {}, .top_ups = {}}};
  const auto outcomes = RunAll({TopUpOf("ann")});
  EXPECT_EQ(outcomes[0]->kind, OutcomeKind::kDone);
  EXPECT_EQ(store_.saves.size(), 2);
  EXPECT_EQ(store_.loads, 2);
  EXPECT_EQ(commits_, 1);
}

TEST_F(ServiceTest, ARefusalSavesNothing) {
  const auto outcomes = RunAll({DebitOf("ann")});
  EXPECT_EQ(outcomes[0]->refusal, Refusal::kBalanceTooLow);
  EXPECT_TRUE(store_.saves.empty());
  EXPECT_EQ(commits_, 0);
}

TEST_F(ServiceTest, AStoreThatFailsIsAnErrorAndShowsInHealth) {
  store_.broken = true;
  const auto outcomes = RunAll({DebitOf("ann")});
  ASSERT_FALSE(outcomes[0].has_value());
  EXPECT_EQ(outcomes[0].error().reason, "database_unavailable");
  EXPECT_FALSE(works_);
}

// A store that is asked first for a command of its own, and holds the executor until the batch has gathered.
class HeldStore final : public Store {
 public:
  explicit HeldStore(Store& inner) : inner_(inner) {}
  Result<Rows> Load(const Keys& keys) override {
    if (!std::exchange(held_, true)) {
      entered.set_value();
      go_on.get_future().wait();
    }
    return inner_.Load(keys);
  }
  Result<Keys> Save(const Changes& changes) override { return inner_.Save(changes); }

  std::promise<void> entered;
  std::promise<void> go_on;

 private:
  Store& inner_;
  bool held_ = false;
};

TEST_F(ServiceTest, NeighboursOfARowThatMovedAreSavedAtOnce) {
  HeldStore held(store_);
  Service service(held, clock_, random_, metrics_, {}, [this] { ++commits_; });
  service.Submit(DebitOf("zoe"), [](const Result<Outcome>&) {});
  held.entered.get_future().wait();
  std::vector<std::string> answered;
  for (const std::string user : {"ann", "bob", "cat"}) {
    service.Submit(TopUpOf(user), [&answered, user](Result<Outcome> outcome) {
      EXPECT_EQ(outcome->kind, OutcomeKind::kDone);
      answered.push_back(user);
    });
  }
  store_.moves = {Keys{.wallets = {{"bob", kKrw}}, .sagas = {}, .top_ups = {}}};
  held.go_on.set_value();
  service.Stop();
  EXPECT_THAT(answered, ::testing::ElementsAre("ann", "cat", "bob"));
  ASSERT_EQ(store_.saves.size(), 3);  // all three, refused; ann and cat; bob
  EXPECT_EQ(store_.saves[1].wallets.size(), 2);
  EXPECT_EQ(store_.saves[2].wallets.size(), 1);
}

}  // namespace
}  // namespace boxoffice::wallet
