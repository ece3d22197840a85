#include "platform/module/process_metrics.h"

#include <atomic>
#include <ctime>
#include <sstream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gmock/gmock.h>

#include "platform/module/loop_lag.h"
#include "platform/module/periodic.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::module {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

TEST(ProcessMetricsTest, SaysWhatTheProcessUsesAndWhetherItsModulesWork) {
  const testbed::TempDir folder;
  obs::Registry metrics;
  std::atomic<bool> ill = false;
  const auto health = [&ill] {
    return std::vector<Health>{{"seat", ill ? "the database is gone" : ""}, {"wallet", ""}};
  };
  AddProcessMetrics(metrics, folder.path(), health);
  EXPECT_THAT(metrics.Render(),
              AllOf(HasSubstr("# TYPE process_cpu_seconds_total counter"),
                    ContainsRegex("\nprocess_resident_memory_bytes [1-9]"),
                    ContainsRegex("\nprocess_open_fds [1-9]"), ContainsRegex("\nprocess_max_fds [1-9]"),
                    ContainsRegex("\nprocess_threads [1-9]"), ContainsRegex("\nprocess_start_time_seconds 1"),
                    ContainsRegex("\nboxoffice_data_disk_free_bytes [1-9]"),
                    ContainsRegex("\nboxoffice_data_disk_size_bytes [1-9]"),
                    HasSubstr("boxoffice_module_healthy{module=\"seat\"} 1")));
  ill = true;
  EXPECT_THAT(metrics.Render(), AllOf(HasSubstr("boxoffice_module_healthy{module=\"seat\"} 0"),
                                      HasSubstr("boxoffice_module_healthy{module=\"wallet\"} 1")));
}

TEST(PeriodicTest, WorksAtOnceAndAgainAndNotAfterItsEnd) {
  std::atomic<int> count = 0;
  {
    const Periodic periodic(std::chrono::milliseconds(5), [&] { ++count; });
    EXPECT_TRUE(testbed::Eventually([&] { return count >= 3; }));
  }
  const int at_the_end = count;
  testbed::Pause(std::chrono::milliseconds(30));
  EXPECT_EQ(count, at_the_end);
}

TEST(LoopLagTest, MeasuresOnTheLoopAndLetsItEnd) {
  boost::asio::io_context loop;
  obs::Registry metrics;
  LoopLag lag(loop.get_executor(), "test", metrics);
  int also = 0;
  lag.Start([&] {
    if (++also == 2) lag.Stop();
  });
  loop.run();  // returns, as nothing is left to do
  EXPECT_EQ(also, 2);
  EXPECT_EQ(metrics.GetHistogram("boxoffice_event_loop_lag_seconds", "", {}, {{"loop", "test"}}).count(), 2U);
}

TEST(LoopLagTest, TellsHowMuchOfItsThreadALoopUses) {
  boost::asio::io_context loop;
  obs::Registry metrics;
  LoopLag lag(loop.get_executor(), "test", metrics);
  const auto used = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  };
  const auto busy = [&used] {
    const double end = used() + 0.1;
    while (used() < end) {
    }
  };
  boost::asio::post(loop, busy);
  lag.Start([&] { lag.Stop(); });
  loop.run();
  const std::string text = metrics.Render();
  const std::string name = "boxoffice_event_loop_cpu_seconds_total{loop=\"test\"} ";
  ASSERT_TRUE(text.contains(name)) << text;
  double seconds = 0;
  std::istringstream(text.substr(text.find(name) + name.size())) >> seconds;
  EXPECT_GE(seconds, 0.09) << "however long that took";
}

}  // namespace
}  // namespace boxoffice::module
