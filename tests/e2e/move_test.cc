// A system's move with `boxoffice export` and `import`: from one process to many, and back.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/system.h"
#include "testing/kafka_broker.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;

Finished Boxoffice(const std::vector<std::string>& words) {
  std::vector<std::string> command{BinDir() / "boxoffice"};
  command.insert(command.end(), words.begin(), words.end());
  return RunCommand(command, seconds(120));
}

// It is told in one line what is wrong.
void ExpectRefusal(const Finished& run, const std::string& reason) {
  EXPECT_EQ(run.exit_code, 2) << run.out;
  EXPECT_THAT(run.err, HasSubstr(fmt::format("({})\n", reason)));
  EXPECT_EQ(std::ranges::count(run.err, '\n'), 1) << run.err;
}

// What belongs to a system besides its stores: keys, and the provider that the sandbox plays.
void CopyAside(const std::filesystem::path& from, const std::filesystem::path& to) {
  using std::filesystem::copy_options;
  std::filesystem::create_directories(to);
  std::filesystem::copy(from / "keys", to / "keys",
                        copy_options::recursive | copy_options::overwrite_existing);
  for (const char* suffix : {"", "-wal"}) {
    const std::string name = fmt::format("payment-sandbox.db{}", suffix);
    if (std::filesystem::exists(from / name)) std::filesystem::copy_file(from / name, to / name);
  }
}

class Move : public ::testing::Test {
 protected:
  // What there was before a move, and must be there after it.
  struct Sold {
    std::string show;
    std::string quiet_show;  // its queue is paused
    std::string paid_key;
    std::string paid_token;
    Reply paid;
    Reply held;
    Reply cancelled;
    Reply under_way;
    std::string held_token;
    std::string waiting_token;
    std::string waiting_position;
    size_t deliveries = 0;
  };

  static Sold SellOfEverything(System& system) {
    Sold sold;
    const Reply target =
        system.Admin("POST", "/v1/admin/relay/targets", R"({"url":"http://127.0.0.1:1/nobody"})");
    EXPECT_EQ(target.status, 201) << target;
    sold.show = system.CreateShow();
    const auto enter = [&](Buyer& buyer) {
      EXPECT_TRUE(buyer.Enter(sold.show));
      EXPECT_EQ(buyer.Charge(5'000).status, 201);
    };
    Buyer mina(system, "mina");
    enter(mina);
    sold.paid_key = NewKey();
    sold.paid_token = mina.queue_token();
    sold.paid = mina.Reserve(sold.show, R"("seats":[1,2],"pay":true)", sold.paid_key);
    EXPECT_EQ(sold.paid.at("state"), "CONFIRMED") << sold.paid;
    Buyer jun(system, "jun");
    enter(jun);
    sold.held = jun.Reserve(sold.show, R"("seats":[3])");
    EXPECT_EQ(sold.held.at("state"), "HELD") << sold.held;
    sold.held_token = jun.queue_token();
    Buyer sora(system, "sora");
    enter(sora);
    sold.cancelled = sora.Reserve(sold.show, R"("seats":[4],"pay":true)");
    EXPECT_EQ(sora.Cancel(sold.cancelled.at("id")).status, 200);
    EXPECT_EQ(sora.Await(sold.cancelled.at("id"), "CANCELLED").at("state"), "CANCELLED");

    sold.quiet_show = system.CreateShow();
    EXPECT_EQ(
        system
            .Admin("PATCH", fmt::format("/v1/admin/shows/{}/queue", sold.quiet_show), R"({"state":"PAUSED"})")
            .status,
        200);
    Buyer first(system, "first");
    EXPECT_EQ(first.Join(sold.quiet_show).at("state"), "WAITING");
    Buyer waits(system, "waits");
    const Reply joined = waits.Join(sold.quiet_show);
    EXPECT_EQ(joined.at("state"), "WAITING") << joined;
    sold.waiting_token = waits.queue_token();
    sold.waiting_position = joined.at("position");
    sold.deliveries = CountDeliveries(system);
    EXPECT_GT(sold.deliveries, 0U);

    // Last: nobody gives its saga the time to end.
    Buyer yuna(system, "yuna");
    enter(yuna);
    sold.under_way =
        yuna.Reserve(sold.show, R"("seats":[5],"pay":true,"payment_method":"sandbox:late_approval")");
    EXPECT_EQ(sold.under_way.status, 202) << sold.under_way;
    return sold;
  }

  static size_t CountDeliveries(System& system) {
    size_t count = 0;
    Eventually([&] {
      const Reply list = system.Admin("GET", "/v1/admin/relay/deliveries?state=pending&limit=200");
      count = list.status == 200 ? list.body.at("items").as_array().size() : 0;
      return count > 0;
    });
    return count;
  }

  // Everything is there, in whatever system it is now.
  static void ExpectThere(System& system, const Sold& sold) {
    Buyer mina(system, "mina");
    EXPECT_EQ(mina.Get(sold.paid.at("id")).at("state"), "CONFIRMED");
    EXPECT_EQ(mina.Balance(), 3'000);
    mina.set_queue_token(sold.paid_token);
    const Reply again = mina.Reserve(sold.show, R"("seats":[1,2],"pay":true)", sold.paid_key);
    EXPECT_EQ(again.status, 201) << "the key still has its answer: " << again;
    EXPECT_EQ(again.at("id"), sold.paid.at("id"));
    Buyer sora(system, "sora");
    EXPECT_EQ(sora.Get(sold.cancelled.at("id")).at("state"), "CANCELLED");
    EXPECT_EQ(sora.Balance(), 5'000);
    // What was under way goes on; where the move took longer than its deadline, it is undone.
    Buyer yuna(system, "yuna");
    std::string ended;
    EXPECT_TRUE(Eventually(
        [&] {
          ended = yuna.Get(sold.under_way.at("id")).at("state");
          return ended == "CONFIRMED" || ended == "FAILED";
        },
        seconds(120)))
        << ended;
    EXPECT_EQ(yuna.Balance(), ended == "CONFIRMED" ? 4'000 : 5'000);
    EXPECT_GE(CountDeliveries(system), sold.deliveries);
    Buyer late(system, "late");
    EXPECT_TRUE(late.Enter(sold.show));
    EXPECT_EQ(late.Reserve(sold.show, R"("seats":[1])").status, 409) << "a sold seat stays sold";
  }

  static void ExpectStillWaiting(System& system, const Sold& sold) {
    Buyer waits(system, "waits");
    waits.set_queue_token(sold.waiting_token);  // of the system before
    const Reply place = waits.Call("GET", "/v1/queue");
    EXPECT_EQ(place.at("state"), "WAITING") << place;
    EXPECT_EQ(place.at("position"), sold.waiting_position);
  }

  static void ExpectSells(System& system, const std::string& show, int seat) {
    Buyer buyer(system, fmt::format("buyer-of-{}", seat));
    ASSERT_TRUE(buyer.Enter(show));
    ASSERT_EQ(buyer.Charge(1'000).status, 201);
    const Reply sold = buyer.Reserve(show, fmt::format(R"("seats":[{}],"pay":true)", seat));
    EXPECT_EQ(sold.at("state"), "CONFIRMED") << sold;
  }

  // On the folder of an `up --scaled`.
  [[nodiscard]] static Finished Own(std::vector<std::string> words, const std::string& data) {
    words.insert(words.end(),
                 {"--scaled", "--kafka-class-path", testbed::KafkaBroker::ClassPath(), "--data", data});
    return Boxoffice(words);
  }

  const testbed::TempDir dir_;
  const std::string file_ = dir_.path() / "embedded.boxoffice";
  const std::string file_back_ = dir_.path() / "scaled.boxoffice";
};

TEST_F(Move, FromOneProcessToManyAndBackNothingIsLost) {
  BOXOFFICE_NEED_KAFKA();
  std::optional<System> embedded;
  // Deliveries go to a port of this machine where nobody is.
  const std::vector<std::string> flags{"--no-seed", "--target-allow-networks", "127.0.0.1"};
  embedded.emplace(flags, Form::kEmbedded);
  ASSERT_TRUE(embedded->ready());
  const Sold sold = SellOfEverything(*embedded);
  ASSERT_FALSE(HasFailure());
  const std::string embedded_data = embedded->data_dir();
  ExpectRefusal(Boxoffice({"export", "--data", embedded_data, "--out", file_}), "data_folder_in_use");
  embedded->Crash();  // so that some events may not be published yet
  const Finished exported = Boxoffice({"export", "--data", embedded_data, "--out", file_, "--json"});
  ASSERT_EQ(exported.exit_code, 0) << exported.err;
  EXPECT_GT(json::parse(exported.out).at("moved").at("seat").at("rows").as_int64(), 0);

  std::optional<System> scaled;
  scaled.emplace(flags, Form::kScaled, [&](const std::filesystem::path& data) {
    CopyAside(embedded_data, data);
    const Finished imported = Own({"import", "--in", file_}, data);
    ASSERT_EQ(imported.exit_code, 0) << imported.err;
  });
  ASSERT_TRUE(scaled->ready());
  ExpectThere(*scaled, sold);
  ExpectStillWaiting(*scaled, sold);
  Buyer jun(*scaled, "jun");
  jun.set_queue_token(sold.held_token);  // of the system before
  const Reply confirmed = jun.Confirm(sold.held.at("id"));
  EXPECT_EQ(confirmed.at("state"), "CONFIRMED") << confirmed;
  ExpectSells(*scaled, sold.show, 10);
  const std::string new_show = scaled->CreateShow();
  EXPECT_NE(new_show, sold.quiet_show) << "numbers go on";
  ExpectSells(*scaled, new_show, 1);
  scaled->ExpectCleanAudit();
  const std::string scaled_data = scaled->data_dir();
  ExpectRefusal(Own({"export", "--out", file_back_}, scaled_data), "data_folder_in_use");
  EXPECT_EQ(scaled->Stop(SIGTERM), 0);
  ExpectRefusal(Own({"import", "--in", file_}, scaled_data), "target_not_empty");
  const Finished back = Own({"export", "--out", file_back_}, scaled_data);
  ASSERT_EQ(back.exit_code, 0) << back.err;

  std::optional<System> again;
  again.emplace(flags, Form::kEmbedded, [&](const std::filesystem::path& data) {
    CopyAside(scaled_data, data);
    const Finished imported = Boxoffice({"import", "--in", file_back_, "--data", data.string()});
    ASSERT_EQ(imported.exit_code, 0) << imported.err;
  });
  ASSERT_TRUE(again->ready());
  ExpectThere(*again, sold);
  ExpectStillWaiting(*again, sold);
  Buyer jun_again(*again, "jun");
  EXPECT_EQ(jun_again.Get(sold.held.at("id")).at("state"), "CONFIRMED");
  ExpectSells(*again, sold.show, 11);
  ExpectSells(*again, again->CreateShow(), 1);
  EXPECT_EQ(
      again->Admin("PATCH", fmt::format("/v1/admin/shows/{}/queue", sold.quiet_show), R"({"state":"OPEN"})")
          .status,
      200);
  Buyer waits(*again, "waits");
  waits.set_queue_token(sold.waiting_token);  // of the system before
  EXPECT_TRUE(Eventually([&] { return waits.Call("GET", "/v1/queue").at("state") == "ACTIVE"; }));
  again->ExpectCleanAudit();
}

TEST_F(Move, WhatCantBeMovedIsOneLineAndNothingIsWritten) {
  System system({"--no-seed"}, Form::kEmbedded);
  ASSERT_TRUE(system.ready());
  ExpectSells(system, system.CreateShow(), 1);
  const std::string data = system.data_dir();
  ASSERT_EQ(system.Stop(SIGTERM), 0);
  const std::string missing = dir_.path() / "missing";
  ExpectRefusal(Boxoffice({"export", "--data", missing, "--out", file_}), "no_data_folder");
  EXPECT_FALSE(std::filesystem::exists(missing));
  ExpectRefusal(Boxoffice({"export", "--data", data, "--scaled", "--out", file_}), "no_data_folder");
  ASSERT_EQ(Boxoffice({"export", "--data", data, "--out", file_}).exit_code, 0);
  ExpectRefusal(Boxoffice({"export", "--data", data, "--out", file_}), "archive_exists");
  ExpectRefusal(Boxoffice({"export", "--data", data, "--out", missing + "/file"}), "archive_unwritable");
  ExpectRefusal(Boxoffice({"import", "--data", data, "--in", missing}), "archive_missing");
  const std::string truncated = dir_.path() / "truncated";
  std::filesystem::copy_file(file_, truncated);
  std::filesystem::resize_file(truncated, std::filesystem::file_size(truncated) - 4096);
  const std::string fresh = dir_.path() / "fresh";
  ExpectRefusal(Boxoffice({"import", "--data", fresh, "--in", truncated}), "archive_damaged");
  EXPECT_FALSE(std::filesystem::exists(fresh + "/seat.db"));
  EXPECT_EQ(Boxoffice({"import", "--data", data, "--in", file_}).exit_code, 0) << "it is all there already";
  EXPECT_EQ(Boxoffice({"import", "--data", fresh, "--in", file_, "--no-such-flag"}).exit_code, 2);
}

}  // namespace
}  // namespace boxoffice::e2e
