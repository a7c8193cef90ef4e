# A network for the machines that train, and for MLflow's way to its database. Nothing in it can be reached from outside.

resource "google_compute_network" "tidewheel" {
  name                    = "tidewheel"
  auto_create_subnetworks = false

  depends_on = [google_project_service.apis]
}

resource "google_compute_subnetwork" "tidewheel" {
  #checkov:skip=CKV_GCP_76:There is no IPv6 in this network
  name                     = "tidewheel"
  network                  = google_compute_network.tidewheel.id
  region                   = var.region
  ip_cidr_range            = "10.77.0.0/24"
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# Machines have no address of their own: packages come through this, Google's services by private access.
resource "google_compute_router" "tidewheel" {
  name    = "tidewheel"
  network = google_compute_network.tidewheel.id
  region  = var.region
}

resource "google_compute_router_nat" "tidewheel" {
  name                               = "tidewheel"
  router                             = google_compute_router.tidewheel.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# A network without rules lets nothing in already. This one says so, for whoever adds a rule later.
resource "google_compute_firewall" "nothing_comes_in" {
  name          = "tidewheel-nothing-comes-in"
  network       = google_compute_network.tidewheel.id
  direction     = "INGRESS"
  priority      = 65534
  source_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }
}

# What runs in here asks for packages and Google's services, over HTTPS (Debian's packages come over HTTP), and for the
# database. Whoever takes a machine over gets no other port; where it may not reach every host either, a network firewall
# policy with names of hosts takes these rules' place. The metadata server, and names through it, no rule can forbid.
resource "google_compute_firewall" "web_goes_out" {
  name               = "tidewheel-web-goes-out"
  network            = google_compute_network.tidewheel.id
  direction          = "EGRESS"
  priority           = 1000
  destination_ranges = ["0.0.0.0/0"]

  allow {
    protocol = "tcp"
    ports    = ["80", "443"]
  }
}

resource "google_compute_firewall" "database_goes_out" {
  name               = "tidewheel-database-goes-out"
  network            = google_compute_network.tidewheel.id
  direction          = "EGRESS"
  priority           = 1000
  destination_ranges = ["${google_compute_global_address.services.address}/${google_compute_global_address.services.prefix_length}"]

  allow {
    protocol = "tcp"
  }
}

resource "google_compute_firewall" "nothing_else_goes_out" {
  name               = "tidewheel-nothing-else-goes-out"
  network            = google_compute_network.tidewheel.id
  direction          = "EGRESS"
  priority           = 65534
  destination_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }
}

# The database is in Google's network, and this is the way there.
resource "google_compute_global_address" "services" {
  name          = "tidewheel-services"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
  network       = google_compute_network.tidewheel.id
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.tidewheel.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
  deletion_policy         = "ABANDON"
  # Google keeps the connection of a network of this name that was destroyed: to make it anew is to change that one.
  update_on_creation_fail = true
}
