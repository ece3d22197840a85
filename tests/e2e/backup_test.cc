// A backup of a system that sells, and fresh systems that go on from it.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/load.h"
#include "e2e/system.h"
#include "platform/sql/sqlite.h"
#include "testing/kafka_broker.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Backup : public ::testing::Test {
 protected:
  static bool Scaled() { return FormOfThisRun() == Form::kScaled; }
  // The command on a data folder, in the form of this run.
  static Finished Boxoffice(const std::vector<std::string>& words, const std::string& data) {
    std::vector<std::string> command{BinDir() / "boxoffice"};
    command.insert(command.end(), words.begin(), words.end());
    command.insert(command.end(), {"--data", data});
    if (Scaled())
      command.insert(command.end(), {"--scaled", "--kafka-class-path", testbed::KafkaBroker::ClassPath()});
    return RunCommand(command, seconds(240));
  }
  static int64_t Sold(System& system, const std::string& show) { return system.Show(show).number("sold"); }

  void MakeBackup(System& system, const std::string& file) {
    const Finished made = Boxoffice({"backup", "--out", file, "--json"}, system.data_dir());
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const auto report = json::parse(made.out);
    EXPECT_GT(report.at("moved").at("reservation").at("rows").as_int64(), 0) << made.out;
    EXPECT_GT(report.at("moved").at("bus").at("rows").as_int64(), 0) << made.out;
    EXPECT_LE(report.at("held_ms").as_int64(), 2'000) << made.out;
  }
  std::string File(int number) const { return dir_.path() / fmt::format("{}.backup", number); }

  const testbed::TempDir dir_;
};

// What was there before the first backup.
struct Before {
  std::string show;  // with a load on it
  std::string quiet;
  Reply paid;
  Reply held;
  std::string held_token;
  Reply under_way;
  std::string waiting_show;
  std::string waiting_token;
  int64_t sold = 0;
};

Before SellSome(System& system) {
  Before before;
  before.show = system.CreateShow({.rows = 50, .seats_per_row = 60});
  before.quiet = system.CreateShow();
  const auto enter = [&](Buyer& buyer) {
    EXPECT_TRUE(buyer.Enter(before.quiet));
    EXPECT_EQ(buyer.Charge(5'000).status, 201);
  };
  Buyer mina(system, "mina");
  enter(mina);
  before.paid = mina.Reserve(before.quiet, R"("seats":[1,2],"pay":true)");
  EXPECT_EQ(before.paid.at("state"), "CONFIRMED") << before.paid;
  Buyer jun(system, "jun");
  enter(jun);
  before.held = jun.Reserve(before.quiet, R"("seats":[3])");
  EXPECT_EQ(before.held.at("state"), "HELD") << before.held;
  before.held_token = jun.queue_token();
  before.waiting_show = system.CreateShow();
  const auto paused = system.Admin("PATCH", fmt::format("/v1/admin/shows/{}/queue", before.waiting_show),
                                   R"({"state":"PAUSED"})");
  EXPECT_EQ(paused.status, 200) << paused;
  Buyer waits(system, "waits");
  EXPECT_EQ(waits.Join(before.waiting_show).at("state"), "WAITING");
  before.waiting_token = waits.queue_token();
  Buyer yuna(system, "yuna");
  enter(yuna);
  before.under_way =
      yuna.Reserve(before.quiet, R"("seats":[5],"pay":true,"payment_method":"sandbox:late_approval")");
  EXPECT_EQ(before.under_way.status, 202) << before.under_way;
  return before;
}

void ExpectThere(System& system, const Before& before) {
  Buyer mina(system, "mina");
  EXPECT_EQ(mina.Get(before.paid.at("id")).at("state"), "CONFIRMED");
  EXPECT_EQ(mina.Balance(), 3'000);
  Buyer waits(system, "waits");
  waits.set_queue_token(before.waiting_token);  // of the system before
  EXPECT_EQ(waits.Call("GET", "/v1/queue").at("state"), "WAITING");
  EXPECT_GE(system.Show(before.show).number("sold"), before.sold);
  system.ExpectCleanAudit();
}

// All of it is in a system that was restored, what was under way ends, and sales go on.
void ExpectGoesOn(System& system, const Before& before) {
  ExpectThere(system, before);
  Buyer jun(system, "jun");
  jun.set_queue_token(before.held_token);
  const Reply confirmed = jun.Confirm(before.held.at("id"));
  EXPECT_EQ(confirmed.at("state"), "CONFIRMED") << confirmed;
  EXPECT_TRUE(Eventually([&] { return system.CountSagas("running") == 0; }, seconds(120)));
  Buyer yuna(system, "yuna");
  const std::string ended = yuna.Get(before.under_way.at("id")).at("state");
  EXPECT_THAT(ended, ::testing::AnyOf("CONFIRMED", "FAILED"));
  EXPECT_EQ(yuna.Balance(), ended == "CONFIRMED" ? 4'000 : 5'000);
  Buyer late(system, "late");
  EXPECT_TRUE(late.Enter(before.show));
  EXPECT_EQ(late.Charge(1'000).status, 201);
  const Reply sold = late.Reserve(before.show, R"("best_available":{"count":1},"pay":true)");
  EXPECT_EQ(sold.at("state"), "CONFIRMED") << sold;
  system.ExpectCleanAudit();
}

TEST_F(Backup, OfASystemThatSellsIsASystemThatGoesOn) {
  if (Scaled()) BOXOFFICE_NEED_KAFKA();
  // Each is another moment of the same sale.
  const int backups = Scaled() ? 1 : 2;
  Before before;
  {
    System system;
    ASSERT_TRUE(system.ready());
    before = SellSome(system);
    ASSERT_FALSE(HasFailure());
    Load load(system, before.show, {.clients = 8});
    ASSERT_TRUE(Eventually([&] { return Sold(system, before.show) >= 20; }, seconds(60)));
    before.sold = Sold(system, before.show);
    for (int i = 0; i < backups; ++i) ASSERT_NO_FATAL_FAILURE(MakeBackup(system, File(i)));
    const int64_t then = Sold(system, before.show);
    EXPECT_TRUE(Eventually([&] { return Sold(system, before.show) > then; }, seconds(60)))
        << "sales go on after a backup";
    load.Stop();
    EXPECT_THAT(load.complaints(), IsEmpty()) << "no buyer notices a backup";
    load.AskAgain();
    load.ExpectNothingLost();
    system.ExpectCleanAudit();
    ASSERT_EQ(system.Stop(SIGTERM), 0);
  }
  for (int i = 0; i < backups; ++i) {
    SCOPED_TRACE(File(i));
    System fresh({"--no-seed"}, FormOfThisRun(), [&](const std::filesystem::path& data) {
      const Finished restored = Boxoffice({"restore", "--in", File(i)}, data.string());
      ASSERT_EQ(restored.exit_code, 0) << restored.err;
      const Finished again = Boxoffice({"restore", "--in", File(i)}, data.string());
      EXPECT_EQ(again.exit_code, 0) << "it is all there already: " << again.err;
    });
    ASSERT_TRUE(fresh.ready());
    // What is under way takes the time of a lease.
    i + 1 < backups ? ExpectThere(fresh, before) : ExpectGoesOn(fresh, before);
    if (HasFailure()) return;
  }
}

// One form is enough: the file is the same.
class BackupFile : public Backup {
 protected:
  // It is told in one line what is wrong, and no store was made.
  void ExpectRefused(const std::string& file, const std::string& reason) {
    const std::string fresh = dir_.path() / "fresh";
    const Finished run = Boxoffice({"restore", "--in", file}, fresh);
    EXPECT_EQ(run.exit_code, 2) << run.out;
    EXPECT_THAT(run.err, HasSubstr(fmt::format("({})\n", reason)));
    EXPECT_EQ(std::ranges::count(run.err, '\n'), 1) << run.err;
    EXPECT_FALSE(std::filesystem::exists(fresh)) << "nothing is half done";
    const Finished check =
        RunCommand({BinDir() / "boxoffice", "restore", "--check", "--in", file}, seconds(60));
    EXPECT_EQ(check.exit_code, 2);
    EXPECT_THAT(check.err, HasSubstr(fmt::format("({})\n", reason)));
  }
  std::string Copy(const std::string& name) const {
    const std::string copy = dir_.path() / name;
    std::filesystem::copy_file(File(0), copy);
    return copy;
  }
};

TEST_F(BackupFile, ThatIsDamagedForeignOrNewerIsRefusedAndNothingIsDone) {
  if (Scaled()) GTEST_SKIP() << "the file is that of the embedded form";
  std::string data;
  {
    System system;
    ASSERT_TRUE(system.ready());
    Buyer buyer(system, "mina");
    const std::string show = system.CreateShow();
    ASSERT_TRUE(buyer.Enter(show));
    ASSERT_EQ(buyer.Charge(1'000).status, 201);
    ASSERT_EQ(buyer.Reserve(show, R"("seats":[1],"pay":true)").at("state"), "CONFIRMED");
    MakeBackup(system, File(0));
    const Finished twice = Boxoffice({"backup", "--out", File(0)}, system.data_dir());
    EXPECT_THAT(twice.err, HasSubstr("(archive_exists)"));
    const Finished nowhere = Boxoffice({"backup", "--out", File(1)}, dir_.path() / "nowhere");
    EXPECT_THAT(nowhere.err, HasSubstr("(no_data_folder)"));
    EXPECT_FALSE(std::filesystem::exists(File(1)));
    const Finished into_it = Boxoffice({"restore", "--in", File(0)}, system.data_dir());
    EXPECT_THAT(into_it.err, HasSubstr("(data_folder_in_use)"));
    ASSERT_EQ(system.Stop(SIGTERM), 0);
    const Finished exported = Boxoffice({"export", "--out", dir_.path() / "export"}, system.data_dir());
    ASSERT_EQ(exported.exit_code, 0) << exported.err;
    // The demo of another system: none of the backup's rows, and keys of its own.
    const std::string other = dir_.path() / "other";
    System another({"--no-seed"});
    another.CreateShow();
    ASSERT_EQ(another.Stop(SIGTERM), 0);
    const Finished occupied = Boxoffice({"restore", "--in", File(0)}, another.data_dir());
    EXPECT_EQ(occupied.exit_code, 2);
    EXPECT_THAT(occupied.err, HasSubstr("(target_not_empty)"));
  }
  const Finished whole =
      RunCommand({BinDir() / "boxoffice", "restore", "--check", "--in", File(0)}, seconds(60));
  EXPECT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_THAT(whole.out, HasSubstr("is whole"));

  const std::string scaled = dir_.path() / "scaled";
  const Finished without_jars =
      RunCommand({"/usr/bin/env", "-u", "BOXOFFICE_KAFKA_CLASS_PATH", BinDir() / "boxoffice", "restore",
                  "--in", File(0), "--data", scaled, "--scaled"},
                 seconds(60));
  EXPECT_EQ(without_jars.exit_code, 2);
  EXPECT_THAT(without_jars.err, HasSubstr("`./dev restore` fetches Kafka's jars"));
  EXPECT_FALSE(std::filesystem::exists(scaled));

  ExpectRefused(dir_.path() / "missing", "archive_missing");
  ExpectRefused(dir_.path() / "export", "not_a_backup");
  const std::string truncated = Copy("truncated");
  std::filesystem::resize_file(truncated, std::filesystem::file_size(truncated) / 2);
  ExpectRefused(truncated, "archive_damaged");
  const std::string text = dir_.path() / "text";
  std::ofstream(text) << "no backup";
  ExpectRefused(text, "not_an_archive");
  const auto changed = [&](const std::string& name, const std::string& sql) {
    const std::string file = Copy(name);
    auto database = sql::Database::Open(file).value();
    const auto done = database.Execute(sql);
    EXPECT_TRUE(done.has_value()) << done.error().detail;
    (void)database.Execute("PRAGMA journal_mode=DELETE");
    return file;
  };
  ExpectRefused(changed("bit", R"(UPDATE "wallet.wallet" SET balance = balance + 1)"), "archive_damaged");
  ExpectRefused(changed("foreign", "PRAGMA application_id=7"), "not_an_archive");
  ExpectRefused(changed("newer", "PRAGMA user_version=99"), "archive_version");
  ExpectRefused(changed("newer_seat", "UPDATE section SET version = 99 WHERE name = 'seat'"),
                "archive_version");
  ExpectRefused(changed("newer_form", "UPDATE section SET version = 99 WHERE name = 'backup'"),
                "archive_version");
  ExpectRefused(changed("part", "DELETE FROM section WHERE name = 'wallet'"), "archive_version");
}

}  // namespace
}  // namespace boxoffice::e2e
