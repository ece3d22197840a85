// Commands that ask first, and what a failure leaves as it was.
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>

#include "boxoffice/operator_commands_for_test.h"
#include "testing/temp_dir.h"

namespace boxoffice::cli {
namespace {

using testing::HasSubstr;

TEST_F(OperatorCommandsTest, WhatCantBeUndoneIsDoneOnceItIsConfirmed) {
  On("GET /v1/admin/shows/1/queue", R"({"show_id":"1","state":"PREQUEUE"})");
  On("PATCH /v1/admin/shows/1/queue", R"({"show_id":"1","state":"PAUSED"})");
  for (const std::string command : {"pause", "resume", "close", "off"}) {
    EXPECT_EQ(Run({"queue", command, "1"}), 2) << command;
    EXPECT_THAT(err_, HasSubstr("draws the places now"));
    EXPECT_EQ(Last().line, "GET /v1/admin/shows/1/queue");
    EXPECT_EQ(Run({"queue", command, "1", "--yes"}), 0) << err_;
    EXPECT_EQ(Last().line, "PATCH /v1/admin/shows/1/queue");
  }
  EXPECT_EQ(Run({"queue", "prequeue", "1"}), 0) << "ends none";
  On("DELETE /v1/admin/relay/targets/3", "", 204);
  EXPECT_EQ(Run({"relay", "delete", "3"}), 2);
  EXPECT_NE(Last().line, "DELETE /v1/admin/relay/targets/3");
  EXPECT_EQ(Run({"relay", "delete", "3", "--yes", "--json"}), 0) << err_;
  EXPECT_EQ(out_, "{}\n");
}

TEST_F(OperatorCommandsTest, AnExportThatFailsLeavesTheFileAsItWas) {
  const testbed::TempDir folder;
  const std::string file = folder.path() / "ledger.csv";
  std::ofstream(file) << "yesterday's\n";
  EXPECT_EQ(Run({"wallet", "export", "--out", file}), 1) << "no such thing";
  std::string line;
  std::getline(std::ifstream(file), line);
  EXPECT_EQ(line, "yesterday's");
  EXPECT_FALSE(std::filesystem::exists(file + ".part"));
  On("GET /v1/admin/ledger?limit=200",
     "entry_id,created_at,account,kind,amount,currency\n1,t,wallet:a,CHARGE,5,KRW\n1,t,system,CHARGE,-5,"
     "KRW\n");
  EXPECT_EQ(Run({"wallet", "export", "--out", file, "--json"}), 0) << err_;
  EXPECT_EQ(out_, "{\"sums\":{\"KRW\":0}}\n");
  std::getline(std::ifstream(file), line);
  EXPECT_THAT(line, HasSubstr("entry_id"));
  EXPECT_EQ(Run({"wallet", "export", "--json"}), 2) << "CSV is no JSON";
}

TEST_F(OperatorCommandsTest, AnExportThatCantHaveItsNameLeavesNoPartOfItself) {
  const testbed::TempDir folder;
  const std::string file = folder.path() / "ledger.csv";
  std::filesystem::create_directory(file);  // no file takes the place of a folder
  On("GET /v1/admin/ledger?limit=200",
     "entry_id,created_at,account,kind,amount,currency\n1,t,wallet:a,CHARGE,5,KRW\n");
  EXPECT_EQ(Run({"wallet", "export", "--out", file}), 2);
  EXPECT_THAT(err_, HasSubstr("can't write " + file));
  EXPECT_FALSE(std::filesystem::exists(file + ".part"));
}

}  // namespace
}  // namespace boxoffice::cli
