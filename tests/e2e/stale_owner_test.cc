// Two replicas run sagas; one sleeps past its lease in the middle of some, and wakes up when the other has
// finished them.
#include <algorithm>
#include <fstream>
#include <future>
#include <iterator>
#include <map>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/parts.h"
#include "e2e/system.h"
#include "testing/metrics_text.h"

namespace boxoffice::e2e {
namespace {

constexpr int kBuyers = 6;
constexpr const char* kChoice = R"("best_available":{"count":1},"pay":true)";

struct SagaRow {
  std::string owner;
  int64_t epoch = 0;
};

using Sagas = std::map<std::string, SagaRow>;  // by reservation

class StaleOwner : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(system_.ready());
    show_ = system_.CreateShow();
    for (int i = 0; i < kBuyers; ++i) {
      buyers_.push_back(std::make_unique<Buyer>(system_.port(), Name(i), system_.Token(Name(i))));
      ASSERT_TRUE(buyers_.back()->Enter(show_));
      ASSERT_EQ(buyers_.back()->Charge(1'000).status, 201);
    }
  }
  static std::string Name(int number) { return fmt::format("buyer-{}", number); }

  // Everybody at once; each has a key of its own.
  std::vector<std::future<Reply>> BuyAll() {
    std::vector<std::future<Reply>> answers;
    for (const auto& buyer : buyers_) {
      keys_.push_back(NewKey());
      answers.push_back(std::async(std::launch::async, [this, &buyer, key = keys_.back()] {
        return buyer->Reserve(show_, kChoice, key);
      }));
    }
    return answers;
  }
  bool AllHavePaid() {
    return Eventually([&] {
      return std::ranges::all_of(buyers_, [&](const auto& buyer) {
        Buyer another(system_.port(), buyer->user(), system_.Token(buyer->user()));
        return another.Balance() == 0;
      });
    });
  }
  Sagas RunningSagas() {
    const Reply list = system_.Admin("GET", "/v1/admin/sagas?limit=200&status=running");
    EXPECT_EQ(list.status, 200) << list;
    Sagas sagas;
    if (list.status != 200) return sagas;
    for (const json::value& row : list.body.at("items").as_array()) {
      const json::value& saga = row.at("saga");
      sagas[std::string(row.at("id").as_string())] = {std::string(saga.at("owner").as_string()),
                                                      saga.at("epoch").to_number<int64_t>()};
    }
    return sagas;
  }
  // As operators see it, once whoever is asked is awake.
  SagaRow SagaOf(const std::string& reservation) {
    Reply found;
    EXPECT_TRUE(Eventually([&] {
      found = system_.Admin("GET", "/v1/admin/reservations/" + reservation);
      return found.status == 200;
    })) << found;
    return {found.at("saga.owner"), found.number("saga.epoch")};
  }
  // The other one takes over when the lease ends, and finishes what it finds half done. Those of the one that
  // sleeps.
  Sagas AwaitTakeOver(const Sagas& before) {
    Sagas taken_over;
    for (const auto& [reservation, saga] : before) {
      Reply now;
      EXPECT_TRUE(Eventually(
          [&] {
            now = system_.Admin("GET", "/v1/admin/reservations/" + reservation);
            return now.at("state") == "CONFIRMED";
          },
          seconds(60)))
          << now;
      const SagaRow row = SagaOf(reservation);
      if (row.owner == saga.owner) continue;  // the one that is awake had it from the beginning
      EXPECT_GT(row.epoch, saga.epoch);
      taken_over[reservation] = row;
    }
    return taken_over;
  }
  // One answer, one debit, one seat, one payment and one event each.
  void ExpectOneEffectOfEach() {
    for (size_t i = 0; i < buyers_.size(); ++i) {
      Buyer& buyer = *buyers_[i];
      Reply again;
      EXPECT_TRUE(Eventually(
          [&] {
            again = buyer.Reserve(show_, kChoice, keys_[i]);
            return again.status == 201;
          },
          seconds(60)))
          << again;
      EXPECT_EQ(again.at("state"), "CONFIRMED");
      const Reply entries = buyer.Call("GET", "/v1/wallet/entries");
      ASSERT_EQ(entries.status, 200) << entries;
      EXPECT_EQ(entries.body.at("items").as_array().size(), 2U) << "a charge and a debit: " << entries;
      EXPECT_EQ(buyer.Balance(), 0);
    }
    EXPECT_TRUE(Eventually([&] { return system_.Show(show_).number("sold") == kBuyers; }))
        << system_.Show(show_);
    EXPECT_TRUE(Eventually([&] {
      const Reply ranking = system_.Admin("GET", "/v1/rankings");
      if (ranking.status != 200 || ranking.at("items") == "[]") return false;
      return ranking.body.at("items").at(0).at("bookings") == kBuyers;
    })) << "each event is counted once";
    system_.ExpectCleanAudit();
  }
  // How many steps of sagas it has had answered.
  static double StepsOf(const Part& replica) {
    return testbed::SumOf(Api(PortOf(replica.admin)).Call("GET", "/metrics").text,
                          "boxoffice_saga_steps_total");
  }
  // Of the reservations that it was refused, as its log says.
  size_t CountRefused(const Part& replica, const Sagas& sagas) {
    std::ifstream in(replica.log);
    const std::string log(std::istreambuf_iterator<char>(in), {});
    size_t refused = 0;
    for (size_t at = log.find("saga_not_owner"); at != std::string::npos;
         at = log.find("saga_not_owner", at + 1)) {
      const std::string line = log.substr(at, log.find('\n', at) - at);
      refused += static_cast<size_t>(
          std::ranges::count_if(sagas, [&](const auto& saga) { return line.contains(saga.first); }));
    }
    return refused;
  }

  const PatientPayments patience_;
  System system_{{"--scaled", "--no-kafka", "--replicas", "2", "--no-seed"}, Form::kEmbedded};
  std::string show_;
  std::vector<std::unique_ptr<Buyer>> buyers_;
  std::vector<std::string> keys_;
};

TEST_F(StaleOwner, WhoSleepsPastTheLeaseInMidSagaIsRefusedAndNothingIsDoubled) {
  const std::vector<Part> replicas = PartsOf(system_, "reservation");
  ASSERT_EQ(replicas.size(), 2U);
  // Nobody is approved: the sagas stand in the middle, with the money taken and the seats held.
  std::optional<Frozen> payment(PartsOf(system_, "payment"));
  std::vector<std::future<Reply>> first_answers = BuyAll();
  ASSERT_TRUE(AllHavePaid());
  const Sagas before = RunningSagas();
  ASSERT_EQ(before.size(), static_cast<size_t>(kBuyers));
  const Part& sleeper = *std::ranges::max_element(replicas, {}, StepsOf);
  std::optional<Frozen> asleep(std::vector<Part>{sleeper});
  payment.reset();  // it approves what it was sent; whoever asked sleeps

  const Sagas taken_over = AwaitTakeOver(before);
  ASSERT_FALSE(taken_over.empty()) << "the one that sleeps had begun none";
  EXPECT_EQ(CountRefused(sleeper, taken_over), 0U) << "it sleeps";
  asleep.reset();
  EXPECT_TRUE(Eventually([&] { return CountRefused(sleeper, taken_over) >= taken_over.size(); }, seconds(60)))
      << CountRefused(sleeper, taken_over) << " of " << taken_over.size() << " were refused";
  for (std::future<Reply>& answer : first_answers) (void)answer.get();
  ExpectOneEffectOfEach();
  for (const auto& [reservation, saga] : taken_over) {
    EXPECT_EQ(SagaOf(reservation).epoch, saga.epoch) << "the stale one wrote";
  }
  Buyer late(system_, "late");
  ASSERT_TRUE(late.Enter(show_));
  ASSERT_EQ(late.Charge(1'000).status, 201);
  const std::string key = NewKey();
  EXPECT_TRUE(
      Eventually([&] { return late.Reserve(show_, kChoice, key).at("state") == "CONFIRMED"; }, seconds(60)))
      << "awake, it sells as before";
}

}  // namespace
}  // namespace boxoffice::e2e
