// What amounts and files commands take, before they ask anybody.
#include <fstream>
#include <string>

#include <gmock/gmock.h>

#include "boxoffice/operator_commands_for_test.h"
#include "testing/temp_dir.h"

namespace boxoffice::cli {
namespace {

using testing::HasSubstr;

TEST_F(OperatorCommandsTest, ANameThatIsGivenTwoAmountsIsRefused) {
  EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "x", "--price", "A=1", "--price", "A=2",
                 "--grid", "Floor=2x2=A"}),
            2);
  EXPECT_THAT(err_, HasSubstr("--price names A twice"));
  EXPECT_EQ(Run({"seats", "price", "1", "--category", "A=1", "--category", "A=1", "--reason", "r"}), 2);
  EXPECT_THAT(err_, HasSubstr("--category names A twice"));
  EXPECT_TRUE(seen_.empty());
}

TEST_F(OperatorCommandsTest, OfAnEmptyPlanItIsSaidThatItMayBeEmpty) {
  const testbed::TempDir folder;
  const std::string empty = (folder.path() / "empty.csv").string();
  std::ofstream(empty).close();
  EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "x", "--price", "A=1", "--csv", empty}),
            2);
  EXPECT_THAT(err_, HasSubstr("empty.csv, or it is empty"));
  EXPECT_TRUE(seen_.empty());
}

}  // namespace
}  // namespace boxoffice::cli
