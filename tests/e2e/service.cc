#include "e2e/service.h"

#include <fstream>
#include <iterator>

namespace boxoffice::e2e {

Service::Service(const std::string& service, const std::filesystem::path& folder,
                 const std::vector<std::string>& flags)
    : log_(folder / "stderr") {
  std::vector<std::string> command{BinDir() / "boxoffice", "serve", service, "--data", folder / "data"};
  command.insert(command.end(), flags.begin(), flags.end());
  process_.emplace(command, Process::Options{{}, log_});
  ready_line_ = process_->ReadLine(seconds(30)).value_or("");
  const std::string admin = process_->ReadLine(seconds(10)).value_or("");
  if (admin.starts_with("admin 127.0.0.1:")) admin_port_ = PortOf(admin);
}

std::string Service::Log() const {
  std::ifstream in(log_);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace boxoffice::e2e
