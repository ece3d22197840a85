#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/http/json_reader.h"
#include "platform/http/json_writer.h"

namespace boxoffice::http {
namespace {

// The reason and detail of reading `body` as {"amount": integer, "pay"?: boolean, "name"?: string}.
std::string Read(std::string_view body) {
  ObjectReader r(body);
  (void)r.Required<int64_t>("amount");
  (void)r.Optional<bool>("pay");
  (void)r.Optional<std::string>("name");
  const Result<void> result = r.Finish();
  return result ? "ok" : result.error().reason + ": " + result.error().detail;
}

TEST(ObjectReader, ReadsEachType) {
  ObjectReader r(R"({"i":-9223372036854775808,"b":true,"d":1.5,"s":"aé\n","v":"x","a":[1,2],"e":[]})");
  EXPECT_EQ(r.Required<int64_t>("i"), std::numeric_limits<int64_t>::min());
  EXPECT_TRUE(r.Required<bool>("b"));
  EXPECT_EQ(r.Required<double>("d"), 1.5);
  EXPECT_EQ(r.Required<std::string>("s"), "aé\n");
  EXPECT_EQ(r.Optional<std::string_view>("v"), "x");
  EXPECT_THAT(r.RequiredArray<int64_t>("a", 2), testing::ElementsAre(1, 2));
  EXPECT_TRUE(r.OptionalArray<std::string>("e", 2)->empty());
  EXPECT_FALSE(r.OptionalArray<std::string>("absent", 2));
  EXPECT_FALSE(r.Optional<int64_t>("absent"));
  EXPECT_TRUE(r.Finish());
}

TEST(ObjectReader, TellsTypesAndNamesWithoutReadingThem) {
  ObjectReader r(R"({"id":"7","price":{"R":1,"S":2},"count":3})");
  EXPECT_TRUE(r.IsString("id"));
  EXPECT_FALSE(r.IsString("count"));
  EXPECT_FALSE(r.IsString("absent"));
  ObjectReader* price = r.RequiredObject("price");
  EXPECT_THAT(price->Names(), testing::ElementsAre("R", "S"));
  EXPECT_EQ(r.Finish().error().detail, "field `id` is not known here");
}

TEST(ObjectReader, BodyThatIsNoJsonIsSaidToBe) {
  for (const char* body :
       {"", " ", "{", "{]", "nul", "{\"amount\":1}x", "{\"amount\":01}", "{\"amount\":NaN}", "{'amount':1}",
        "{\"amount\":1,}", "[]", "7", "null", "{\"a\":\"\xff\"}"}) {
    EXPECT_THAT(Read(body), testing::StartsWith("body_not_json")) << body;
  }
}

TEST(ObjectReader, WrongTypeNamesTheField) {
  EXPECT_EQ(Read(R"({"amount":"7"})"), "field_type: field `amount` must be an integer, got string");
  EXPECT_EQ(Read(R"({"amount":null})"), "field_type: field `amount` must be an integer, got null");
  EXPECT_EQ(Read(R"({"amount":1,"pay":1})"), "field_type: field `pay` must be a boolean, got integer");
  EXPECT_EQ(Read(R"({"amount":1,"name":{}})"), "field_type: field `name` must be a string, got object");
}

TEST(ObjectReader, MissingFieldIsNamed) { EXPECT_EQ(Read("{}"), "field_missing: field `amount` is missing"); }

TEST(ObjectReader, UnknownFieldIsRefused) {
  EXPECT_EQ(Read(R"({"amount":1,"amuont":2})"), "field_unknown: field `amuont` is not known here");
}

TEST(ObjectReader, DuplicateFieldIsRefused) {
  EXPECT_EQ(Read(R"({"amount":1,"amount":2})"), "field_duplicate: field `amount` appears twice");
  EXPECT_EQ(Read(R"({"amount":1,"\u0061mount":2})"), "field_duplicate: field `amount` appears twice");
}

TEST(ObjectReader, NumberThatIsNoIntegerHasItsOwnReason) {
  for (const char* number : {"1.5", "1.0", "1e3", "9223372036854775808", "-9223372036854775809", "1e400",
                             "123456789012345678901234567890"}) {
    EXPECT_THAT(Read("{\"amount\":" + std::string(number) + "}"),
                testing::StartsWith("number_not_integer: field `amount`"))
        << number;
  }
  EXPECT_EQ(Read(R"({"amount":9223372036854775807})"), "ok");
}

TEST(ObjectReader, ANumberThatIsNoneIsOutOfRange) {
  for (const char* number : {"1e999", "-1e999", "0e30803600"}) {
    ObjectReader r("{\"rate\":" + std::string(number) + "}");
    EXPECT_FALSE(r.Optional<double>("rate")) << number;
    const Result<void> result = r.Finish();
    ASSERT_FALSE(result.has_value()) << number;
    EXPECT_EQ(result.error().reason, "field_invalid");
    EXPECT_EQ(result.error().detail, "field `rate` is out of range");
  }
}

TEST(ObjectReader, NestedFieldsAreNamedByTheirPath) {
  const auto read = [](std::string_view body) {
    ObjectReader r(body);
    if (ObjectReader* best = r.OptionalObject("best")) (void)best->Required<int64_t>("count");
    for (ObjectReader* price : r.OptionalObjects("prices", 2)) (void)price->Required<int64_t>("amount");
    (void)r.OptionalArray<int64_t>("seats", 3);
    const Result<void> result = r.Finish();
    return result ? "ok" : result.error().detail;
  };
  EXPECT_EQ(read(R"({"best":{"count":2},"prices":[{"amount":1},{"amount":2}],"seats":[1]})"), "ok");
  EXPECT_EQ(read(R"({"best":{"count":"2"}})"), "field `best.count` must be an integer, got string");
  EXPECT_EQ(read(R"({"best":{}})"), "field `best.count` is missing");
  EXPECT_EQ(read(R"({"best":{"count":1,"x":1}})"), "field `best.x` is not known here");
  EXPECT_EQ(read(R"({"best":7})"), "field `best` must be an object, got integer");
  EXPECT_EQ(read(R"({"prices":[{"amount":1},{"amount":false}]})"),
            "field `prices[1].amount` must be an integer, got boolean");
  EXPECT_EQ(read(R"({"prices":[7]})"), "field `prices[0]` must be an object, got integer");
  EXPECT_EQ(read(R"({"prices":[{},{},{}]})"), "field `prices` may have at most 2 values, got 3");
  EXPECT_EQ(read(R"({"seats":[1,2,"3"]})"), "field `seats[2]` must be an integer, got string");
  EXPECT_EQ(read(R"({"seats":{}})"), "field `seats` must be an array, got object");
}

TEST(ObjectReader, RequiredObjectIsNeverNull) {
  ObjectReader r("{}");
  EXPECT_EQ(r.RequiredObject("best")->Required<int64_t>("count"), 0);
  EXPECT_EQ(r.Finish().error().detail, "field `best` is missing");
}

TEST(ObjectReader, CallersRefusalsAreKeptInOrder) {
  ObjectReader r(R"({"count":0})");
  if (r.Required<int64_t>("count") < 1) r.Refuse("count", "field_out_of_range", "must be at least 1");
  (void)r.Required<int64_t>("later");
  EXPECT_EQ(r.Finish().error(),
            (Error{Code::kInvalidArgument, "field_out_of_range", "field `count` must be at least 1"}));
}

TEST(ObjectReader, DepthAndSizeAreBounded) {
  EXPECT_THAT(Read("{\"amount\":" + std::string(17, '[') + std::string(17, ']') + "}"),
              testing::StartsWith("body_not_json"));
  std::string many = "{\"amount\":[";
  for (int i = 0; i < 100'001; ++i) many += "1,";
  EXPECT_THAT(Read(many + "1]}"), testing::StartsWith("body_not_json"));
}

TEST(JsonWriter, EscapesEachByteThatNeedsItWhereverItIs) {
  for (size_t at = 0; at < 20; ++at) {
    for (int byte = 0; byte < 0x80; ++byte) {
      std::string text(20, 'x');
      text[at] = static_cast<char>(byte);
      std::string json;
      AppendJsonString(text, json);
      EXPECT_EQ(boost::json::parse(json).as_string(), text);
      EXPECT_FALSE(json.contains('<')) << "it may stand in a script element";
    }
  }
}

TEST(JsonWriter, WritesWhatAParserReads) {
  JsonWriter w;
  w.BeginObject().Field("id", int64_t{7}).Field("ok", true).Field("text", "a\"\\\n\x01</script>é");
  w.Key("list")
      .BeginArray()
      .Value(1)
      .Value("x")
      .BeginObject()
      .EndObject()
      .BeginArray()
      .EndArray()
      .Null()
      .EndArray();
  w.Key("raw").Raw("{\"a\":1}").EndObject();
  EXPECT_THAT(w.text(),
              testing::StartsWith(
                  R"({"id":7,"ok":true,"text":"a\"\\\n\u0001\u003c/script>é","list":[1,"x",{},[],null])"));
  const boost::json::value value = boost::json::parse(w.text());
  EXPECT_EQ(value.at("text").as_string(), "a\"\\\n\x01</script>é");
  EXPECT_EQ(value.at("raw").at("a"), 1);
}

}  // namespace
}  // namespace boxoffice::http
