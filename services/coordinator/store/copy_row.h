// For the tables of the fake store.
#ifndef SERVICES_COORDINATOR_STORE_COPY_ROW_H_
#define SERVICES_COORDINATOR_STORE_COPY_ROW_H_

namespace closewrite {

// Makes an entry what it is in `from`, whether there or not.
template <class Map>
void CopyRow(const Map& from, const typename Map::key_type& key, Map* to) {
  const auto found = from.find(key);
  if (found == from.end()) {
    to->erase(key);
  } else {
    to->insert_or_assign(key, found->second);
  }
}

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_COPY_ROW_H_
