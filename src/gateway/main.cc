// boxoffice-gateway: the public interface, as a process of its own.
#include "gateway/process.h"
#include "platform/module/serve.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, boxoffice::gateway::Program());
}
