//! The list of networks that can have 8-bit integers. Its test builds every network of the catalog, so it does not run
//! for each instruction set.

use wattlab_models::vision::{
    Clip, Int8Settings, VisionNetwork, architectures, int8_networks, network_info, random_images,
};

#[test]
fn the_list_of_supported_networks_is_complete() {
    let supported: Vec<&str> = architectures()
        .iter()
        .map(|network| network.name)
        .filter(|name| {
            let side = network_info(name).unwrap().least_side.max(32);
            let images = random_images(1, side, 2).unwrap();
            let network = VisionNetwork::random(name, 5, 1).unwrap();
            let settings = Int8Settings { images: 1, clip: Clip::MinMax };
            network.to_int8(&settings, &images).is_ok()
        })
        .collect();
    assert_eq!(supported, int8_networks());
}
