// The public contract, as a judge of answers: openapi/boxoffice.yaml, read as JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

namespace boxoffice::gateway {

class Contract {
 public:
  Contract();

  // "GET /v1/concerts", …: every operation.
  [[nodiscard]] std::vector<std::string> Operations() const;

  // What is wrong with an answer; "" if the contract has it so: the status, the content type, and for JSON
  // that all required members are there, every member is known, also of a problem, and types, enumerations
  // and patterns of null fit.
  [[nodiscard]] std::string Judge(std::string_view method, std::string_view path, int status,
                                  std::string_view content_type, std::string_view body) const;

 private:
  [[nodiscard]] const boost::json::object* FindPath(std::string_view path) const;
  [[nodiscard]] const boost::json::value& Resolve(const boost::json::value& node) const;
  [[nodiscard]] std::string Fits(const boost::json::value& schema, const boost::json::value& value,
                                 const std::string& where) const;
  [[nodiscard]] std::string FitsObject(const boost::json::object& schema, const boost::json::object& value,
                                       const std::string& where) const;
  // A problem's schema is open, as it may gain members; those that are sent are in it all the same.
  [[nodiscard]] std::string NamesMembers(const boost::json::value& schema,
                                         const boost::json::value& value) const;

  boost::json::value document_;
};

}  // namespace boxoffice::gateway
