#include "platform/rpc/worker_pool.h"

#include <future>

#include <gtest/gtest.h>

#include "testing/wait.h"

namespace boxoffice::rpc {
namespace {

using namespace std::chrono_literals;

TEST(WorkerPoolTest, WhatIsUsedOfItAndHowLongWorkWaitsIsShown) {
  obs::Registry metrics;
  WorkerPool pool(1);
  pool.CountIn(metrics, "test");
  const obs::Labels labels{{"pool", "test"}};
  EXPECT_EQ(metrics.GetGauge("boxoffice_pool_threads", "", labels).value(), 1);
  std::promise<void> begun;
  std::promise<void> go;
  pool.Post([&] {
    begun.set_value();
    go.get_future().wait();
  });
  begun.get_future().wait();
  pool.Post([] {});  // for which there is no thread meanwhile
  testbed::Pause(50ms);
  go.set_value();
  pool.join();
  const obs::Histogram& wait = metrics.GetHistogram("boxoffice_pool_wait_seconds", "", {}, labels);
  const obs::Histogram& run = metrics.GetHistogram("boxoffice_pool_run_seconds", "", {}, labels);
  EXPECT_EQ(wait.count(), 2U);
  EXPECT_EQ(run.count(), 2U);
  EXPECT_GE(wait.sum(), 0.04) << "the second waited for the first";
  EXPECT_GE(run.sum(), 0.04) << "and the first had a thread";
}

}  // namespace
}  // namespace boxoffice::rpc
