#include "boxoffice/environment_file.h"

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>

#include "testing/temp_dir.h"

namespace boxoffice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StrEq;

TEST(EnvironmentFileTest, VariablesAreReadAsSystemdReadsThem) {
  const auto read = ReadVariables(
      "# a comment\n; another\n\n  A=1\nB = with blanks \nC=\"quoted \\\" and # this\"\nD='as \\ it "
      "is'\nG=a\\\\b\nH=\"a\\b\"\n"
      "E=first \\\nsecond\nF=\nA=2",
      "f");
  ASSERT_TRUE(read.has_value()) << read.error().detail;
  EXPECT_THAT(*read, ElementsAre(Pair("A", "2"), Pair("B", "with blanks"), Pair("C", "quoted \" and # this"),
                                 Pair("D", "as \\ it is"), Pair("E", "first second"), Pair("F", ""),
                                 Pair("G", "a\\b"), Pair("H", "a\\b")));
}

TEST(EnvironmentFileTest, ALineThatIsNoneIsNamedByItsNumberAndNotShown) {
  for (const char* wrong : {"hunter2", "1A=hunter2", "=hunter2", "A=\"hunter2", "A=\"hunter2\"x"}) {
    const auto read = ReadVariables(std::string("A=1 \\\n2\n") + wrong, "seat.env");
    ASSERT_FALSE(read.has_value()) << wrong;
    EXPECT_EQ(read.error().reason, "config");
    EXPECT_THAT(read.error().detail, HasSubstr("seat.env:3"));
    EXPECT_THAT(read.error().detail, Not(HasSubstr("hunter2")));
  }
}

TEST(EnvironmentFileTest, TheLaterFileIsOverTheEarlierAndAllIsAsItWasAfterwards) {
  const testbed::TempDir folder;
  std::ofstream(SharedVariables(folder.path())) << "BOXOFFICE_TEST_A=shared\nBOXOFFICE_TEST_B=shared\n";
  std::ofstream(VariablesOf(folder.path(), "seat")) << "BOXOFFICE_TEST_B=own\n";
  ::setenv("BOXOFFICE_TEST_A", "before", 1);
  ::unsetenv("BOXOFFICE_TEST_B");
  {
    const auto entered =
        EnvironmentFiles::Enter({SharedVariables(folder.path()), VariablesOf(folder.path(), "seat"),
                                 VariablesOf(folder.path(), "wallet")});
    ASSERT_TRUE(entered.has_value()) << entered.error().detail;
    EXPECT_THAT(std::getenv("BOXOFFICE_TEST_A"), StrEq("shared"));
    EXPECT_THAT(std::getenv("BOXOFFICE_TEST_B"), StrEq("own"));
  }
  EXPECT_THAT(std::getenv("BOXOFFICE_TEST_A"), StrEq("before"));
  EXPECT_EQ(std::getenv("BOXOFFICE_TEST_B"), nullptr);
  ::unsetenv("BOXOFFICE_TEST_A");
}

TEST(EnvironmentFileTest, AFileThatIsThereAndCantBeReadIsAnError) {
  const testbed::TempDir folder;
  std::filesystem::create_directory(VariablesOf(folder.path(), "seat"));
  const auto entered = EnvironmentFiles::Enter({VariablesOf(folder.path(), "seat")});
  ASSERT_FALSE(entered.has_value());
  EXPECT_EQ(entered.error().reason, "config");
  EXPECT_THAT(entered.error().detail, HasSubstr("seat.env"));
}

}  // namespace
}  // namespace boxoffice
