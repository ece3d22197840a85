#include "platform/module/module.h"

#include <gmock/gmock.h>

namespace boxoffice::module {
namespace {

using Journal = std::vector<std::string>;

class FakeModule final : public Module {
 public:
  FakeModule(std::string name, std::vector<std::string> dependencies, Journal& journal, bool fails = false)
      : name_(std::move(name)), dependencies_(std::move(dependencies)), journal_(journal), fails_(fails) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] std::vector<std::string> dependencies() const override { return dependencies_; }
  [[nodiscard]] Result<void> Start() override {
    if (fails_) return Fail(Code::kUnavailable, "port_taken", "8080");
    journal_.push_back("start " + name_);
    return {};
  }
  void Drain(std::chrono::milliseconds) override { journal_.push_back("drain " + name_); }
  void Stop() override { journal_.push_back("stop " + name_); }
  [[nodiscard]] std::string Unhealthy() const override { return fails_ ? "broken" : ""; }

 private:
  std::string name_;
  std::vector<std::string> dependencies_;
  Journal& journal_;
  bool fails_;
};

TEST(GraphTest, StartsAfterDependenciesAndStopsInReverse) {
  Journal journal;
  Graph graph;
  graph.Add(std::make_unique<FakeModule>("gateway", std::vector<std::string>{"seat"}, journal));
  graph.Add(std::make_unique<FakeModule>("seat", std::vector<std::string>{}, journal));
  ASSERT_TRUE(graph.Start());
  graph.Stop(std::chrono::milliseconds(1));
  graph.Stop(std::chrono::milliseconds(1));
  EXPECT_THAT(journal, ::testing::ElementsAre("start seat", "start gateway", "drain gateway", "stop gateway",
                                              "drain seat", "stop seat"));
}

TEST(GraphTest, DrainingStopsNobodyAndIsDoneOnce) {
  Journal journal;
  Graph graph;
  graph.Add(std::make_unique<FakeModule>("gateway", std::vector<std::string>{"seat"}, journal));
  graph.Add(std::make_unique<FakeModule>("seat", std::vector<std::string>{}, journal));
  ASSERT_TRUE(graph.Start());
  journal.clear();
  graph.Drain(std::chrono::milliseconds(1));
  EXPECT_THAT(journal, ::testing::ElementsAre("drain gateway", "drain seat"));
  journal.clear();
  graph.Stop(std::chrono::milliseconds(1));
  EXPECT_THAT(journal, ::testing::ElementsAre("stop gateway", "stop seat"));
}

TEST(GraphTest, AModuleThatCantStartStopsThoseThatRun) {
  Journal journal;
  Graph graph;
  graph.Add(std::make_unique<FakeModule>("seat", std::vector<std::string>{}, journal));
  graph.Add(
      std::make_unique<FakeModule>("gateway", std::vector<std::string>{"seat"}, journal, /*fails=*/true));
  const auto started = graph.Start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, "port_taken");
  EXPECT_EQ(started.error().detail, "gateway: 8080");
  EXPECT_THAT(journal, ::testing::ElementsAre("start seat", "drain seat", "stop seat"));
}

TEST(GraphTest, HealthNamesTheModuleThatIsIll) {
  Journal journal;
  Graph graph;
  graph.Add(std::make_unique<FakeModule>("seat", std::vector<std::string>{}, journal, /*fails=*/true));
  EXPECT_EQ(graph.CheckHealth().front().problem, "broken");
}

}  // namespace
}  // namespace boxoffice::module
