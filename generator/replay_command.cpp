#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <unordered_set>

#include "generator/commands.hpp"
#include "generator/online_retail.hpp"
#include "generator/run_options.hpp"

namespace globalmart::generator {
namespace {

struct ReplayOptions {
  RunOptions run;
  std::string directory;
};

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || !text) throw std::runtime_error("cannot read " + path.string());
  return std::move(text).str();
}

/// All CSV files below a directory, by path.
std::vector<std::filesystem::path> find_files(const std::string& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file() && entry.path().extension() == ".csv")
      files.push_back(entry.path());
  if (files.empty()) throw std::runtime_error("no .csv file below " + directory);
  std::sort(files.begin(), files.end());
  return files;
}

/// Orders by time; before the first order of a customer or product its catalogue message.
int replay(const ReplayOptions& options, StopSignal& stop) {
  const Destination& destination = options.run.destination;
  if (destination.bootstrap_servers.empty() && destination.directory.empty())
    throw std::runtime_error("say where to: --bootstrap-servers or --out");
  OnlineRetail shop;
  const auto files = find_files(options.directory);
  for (const auto& file : files) {
    try {
      shop.read(read_file(file));
    } catch (const std::runtime_error& error) {
      throw std::runtime_error(file.string() + ": " + error.what());
    }
  }
  Run run(options.run, {Topic::kTransactions, Topic::kUsers, Topic::kProducts}, stop);
  std::unordered_set<std::string> customers, products;
  Amount revenue = 0;
  uint64_t orders = 0, order_lines = 0;
  size_t most_lines = 0;
  for (const RetailOrder* const order : shop.orders()) {
    if (run.stopping()) break;
    if (customers.insert(order->customer).second) {
      const std::string message = customer_message(*order);
      run.send({Topic::kUsers, order->time, order->customer, message});
    }
    for (const RetailLine& line : order->lines) {
      if (!products.insert(line.stock_code).second) continue;
      const std::string message = product_message(line, order->time);
      run.send({Topic::kProducts, order->time, line.stock_code, message});
    }
    const std::string id = order_id(order->invoice);
    const std::string message = order_message(*order);
    run.send({Topic::kTransactions, order->time, id, message});
    run.show(order->time);
    ++orders;
    order_lines += order->lines.size();
    revenue += order->total;
    most_lines = std::max(most_lines, order->lines.size());
  }
  Summary& summary = run.summary();
  summary.figures = {{"files", files.size()},
                     {"lines", shop.lines()},
                     {"lines in orders", order_lines},
                     {"orders", orders},
                     {"customers", customers.size()},
                     {"products", products.size()},
                     {"most lines in an order", most_lines}};
  summary.notes["revenue"] = format_amount(revenue);
  summary.rejections = shop.rejections();
  return run.finish();
}

}  // namespace

Action add_replay_online_retail_command(CLI::App& app) {
  const auto options = std::make_shared<ReplayOptions>();
  app.add_option("DIR", options->directory,
                 "Folder with the data set's CSV files. Every line becomes a line of an order or "
                 "is counted as rejected: malformed, cancellation, no_customer, "
                 "quantity_not_positive, price_not_positive, whichever fits first")
      ->required()
      ->check(CLI::ExistingDirectory);
  add_run_options(app, options->run, true);
  return [options](StopSignal& stop) { return replay(*options, stop); };
}

}  // namespace globalmart::generator
