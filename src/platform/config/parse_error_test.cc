#include "platform/config/parse_error.h"

#include <cstdint>
#include <optional>
#include <string>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <gtest/gtest.h>

namespace boxoffice::config {
namespace {

// Of a program with `up` and `queue set`, and with `config print`, which passes on what it does not know.
std::string Refused(const std::string& command_line) {
  uint16_t port = 0;
  int64_t replicas = 1;
  std::optional<double> rate;
  CLI::App app("test", "program");
  app.require_subcommand(1);
  CLI::App* up = app.add_subcommand("up");
  up->add_option("--port", port);
  up->add_option("--replicas", replicas)->check(CLI::Range(1, 16));
  CLI::App* queue = app.add_subcommand("queue")->require_subcommand(1);
  queue->add_subcommand("set")->add_option("--rate", rate);
  CLI::App* config = app.add_subcommand("config")->fallthrough()->require_subcommand(1);
  config->add_subcommand("print")->fallthrough();
  try {
    app.parse(command_line);
  } catch (const CLI::ParseError& error) {
    return DescribeParseError(app, error);
  }
  return "taken";
}

TEST(ParseErrorTest, TheWordThatIsNoCommandIsNamed) {
  EXPECT_EQ(Refused("nosuch"), "nosuch is not a command here");
  EXPECT_EQ(Refused("--bad"), "--bad is not an option here");
  EXPECT_EQ(Refused("queue nosuch"), "nosuch is not a command here");
  EXPECT_EQ(Refused("config prnt"), "prnt is not a command here");
  EXPECT_EQ(Refused(""), "A subcommand is required");
  EXPECT_EQ(Refused("queue"), "A subcommand is required");
}

TEST(ParseErrorTest, WhatANumberMustBeIsSaid) {
  EXPECT_EQ(Refused("up --port abc"), "--port: abc is not a whole number");
  EXPECT_EQ(Refused("up --port 8080.5"), "--port: 8080.5 is not a whole number");
  EXPECT_EQ(Refused("up --port 99999"), "--port: 99999 is out of range");
  EXPECT_EQ(Refused("up --port=-1"), "--port: -1 is out of range");
  EXPECT_EQ(Refused("queue set --rate abc"), "--rate: abc is not a number");
}

TEST(ParseErrorTest, AnythingElseIsAsItCame) {
  EXPECT_EQ(Refused("up --replicas 17"), "--replicas: Value 17 not in range 1 to 16");
  EXPECT_EQ(Refused("up here"), "The following argument was not expected: here");
}

}  // namespace
}  // namespace boxoffice::config
