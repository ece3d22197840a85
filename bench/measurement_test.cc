#include "bench/measurement.h"

#include <thread>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/waiting.h"

namespace boxoffice::bench {
namespace {

TEST(ErrorCodeTest, NamesTheProblemTheStateOrTheStatus) {
  EXPECT_EQ(ErrorCode({.status = 0}), "connection_lost");
  EXPECT_EQ(ErrorCode({.status = 409, .body = R"({"type":"x","code":"seats_taken"})"}), "seats_taken");
  EXPECT_EQ(ErrorCode({.status = 202, .body = R"({"state":"CONFIRMING"})"}), "state_CONFIRMING");
  EXPECT_EQ(ErrorCode({.status = 502, .body = "<html>"}), "http_502");
}

TEST(MeasurementTest, WhatIsNoSaleAndWasNotAskedForIsAnError) {
  Measurement measurement;
  measurement.requests = 1000;
  measurement.confirmed = 990;
  measurement.errors = {{"unavailable", 9}, {"seats_taken", 1}};
  EXPECT_EQ(measurement.ErrorCount(), 10U);
  measurement.refused = {{"seats_taken", 7}};
  EXPECT_EQ(measurement.RefusedCount(), 7U);
  EXPECT_DOUBLE_EQ(measurement.ErrorRate(), 0.01);
  EXPECT_DOUBLE_EQ(Measurement{}.ErrorRate(), 1) << "a run without a request proves nothing";
}

TEST(WaitingPhaseTest, IsComparedBySlicesOfWhichOneThatWasDisturbedCountsLittle) {
  WaitingPhase phase;
  EXPECT_DOUBLE_EQ(phase.ToEmpty(), 1) << "the empty answer itself";
  phase.to_empty = {0.7, 0.1, 0.8};
  EXPECT_DOUBLE_EQ(phase.ToEmpty(), 0.7);
  phase.to_empty = {0.6, 0.1, 0.8, 0.9};
  EXPECT_DOUBLE_EQ(phase.ToEmpty(), 0.7);
}

TEST(MeasurementTest, AMachineThatSomebodyElseUsesIsToldSo) {
  Measurement measurement;
  measurement.elapsed = std::chrono::seconds(1);
  EXPECT_THAT(RenderTable(measurement), testing::Not(testing::HasSubstr("DISTURBED")));
  measurement.other_cpu = std::chrono::seconds(std::thread::hardware_concurrency()) / 2;
  EXPECT_DOUBLE_EQ(measurement.OtherShare(), 0.5);
  EXPECT_THAT(RenderTable(measurement), testing::HasSubstr("DISTURBED"));
}

TEST(MeasurementTest, TellsWhichProcessesTookTheCpu) {
  const std::string_view database("postgres: boxoffice seat 127.0.0.1(50192) idle");
  EXPECT_EQ(PartOf(database), "PostgreSQL of seat");
  EXPECT_EQ(PartOf("postgres: walwriter "), "PostgreSQL's own");
  using namespace std::string_view_literals;
  EXPECT_EQ(PartOf("/usr/lib/postgresql/15/bin/postgres\0-D\0data"sv), "PostgreSQL's own");
  EXPECT_EQ(PartOf("/usr/bin/redis-server 127.0.0.1:30001"), "Redis");
  EXPECT_EQ(PartOf("/bin/boxoffice\0serve\0gateway\0--config\0x"sv), "gateway");
  EXPECT_EQ(PartOf("/bin/boxoffice\0up\0--no-seed"sv), "up");
  EXPECT_EQ(PartOf(""), "") << "it has just ended";

  Measurement measurement;
  measurement.requests = measurement.confirmed = 10;
  measurement.parts_cpu = {{"seat", CpuTime(150)}};
  EXPECT_THAT(RenderTable(measurement), testing::Not(testing::HasSubstr("seat")));
  measurement.parts_cpu["gateway"] = CpuTime(200);
  EXPECT_THAT(RenderTable(measurement), testing::ContainsRegex("gateway +20.0\n +seat +15.0\n"));
}

TEST(MeasurementTest, JsonHoldsTheFiguresAndTheVerdict) {
  Measurement measurement;
  measurement.scenario = "sale";
  measurement.requests = measurement.confirmed = 500;
  measurement.elapsed = std::chrono::milliseconds(250);
  measurement.system_cpu = CpuTime(50'000);
  measurement.batches["seat"] = {100, 10};
  measurement.audit = {true, R"({"ok":true})"};
  const auto report = boost::json::parse(RenderJson(measurement)).as_object();
  EXPECT_DOUBLE_EQ(report.at("reservations_per_s").as_double(), 2000);
  EXPECT_DOUBLE_EQ(report.at("cpu_us_each").at("system").as_double(), 100);
  EXPECT_DOUBLE_EQ(report.at("batch_size").at("seat").at("mean").as_double(), 10);
  EXPECT_TRUE(report.at("audit").at("ok").as_bool());
  EXPECT_THAT(RenderTable(measurement), testing::HasSubstr("audit                 clean"));
}

}  // namespace
}  // namespace boxoffice::bench
