//! Reads a page as a browser does, and holds it to what every page promises: it is well-formed, loads and runs nothing,
//! and says what its parts are to whoever does not see them.

use std::collections::BTreeSet;

use scraper::{ElementRef, Html, Selector};

/// The elements that a selector finds.
pub fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

/// The text of an element, blanks and line ends as a browser shows them.
pub fn text(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The texts of the elements that a selector finds.
pub fn texts(page: &Html, selector: &str) -> Vec<String> {
    all(page, selector).into_iter().map(text).collect()
}

/// The page, which has to be sound.
pub fn sound(source: &str) -> Html {
    let page = Html::parse_document(source);
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    for element in all(&page, "*") {
        let name = element.value().name();
        let loads =
            ["script", "link", "img", "iframe", "object", "embed", "video", "audio", "base", "form", "use"];
        assert!(!loads.contains(&name), "<{name}> in the page");
        for (attribute, value) in element.value().attrs() {
            assert!(!attribute.starts_with("on") && attribute != "style", "{attribute}={value}");
            assert!(
                !["src", "srcset", "data", "action", "poster"].contains(&attribute),
                "{attribute}={value}"
            );
            assert!(attribute != "href" || value.starts_with('#'), "{attribute}={value}");
        }
    }
    let style = texts(&page, "style").join(" ");
    assert!(!style.contains("url(") && !style.contains("@import"), "the style loads something");
    let policy = all(&page, "head > meta[http-equiv='Content-Security-Policy']")[0];
    assert_eq!(policy.attr("content"), Some("default-src 'none'; style-src 'unsafe-inline'"));
    readable(&page);
    page
}

/// What a screen reader and a phone need.
fn readable(page: &Html) {
    assert_eq!(all(page, "html")[0].attr("lang"), Some("en"));
    assert_eq!(all(page, "head > meta[name=viewport]").len(), 1);
    assert_eq!((all(page, "h1").len(), all(page, "main").len()), (1, 1));
    let ids: Vec<&str> = all(page, "[id]").into_iter().map(|element| element.attr("id").unwrap()).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    for element in all(page, "[aria-labelledby]") {
        for id in element.attr("aria-labelledby").unwrap().split(' ') {
            assert!(distinct.contains(id), "{id} names nothing");
        }
    }
    for link in all(page, "a") {
        assert!(distinct.contains(&link.attr("href").unwrap()[1..]), "{:?} leads nowhere", link.attr("href"));
    }
    for table in all(page, "table") {
        let table = Html::parse_fragment(&table.html());
        assert_eq!(all(&table, "table > caption").len(), 1, "{}", table.html());
        assert!(!all(&table, "thead th").is_empty());
        assert!(all(&table, "thead th").iter().all(|th| th.attr("scope") == Some("col")));
        assert!(all(&table, "tbody th").iter().all(|th| th.attr("scope") == Some("row")));
        let rows = all(&table, "tbody tr").len();
        assert!(rows > 0 && all(&table, "tbody th").len() == rows, "{}", table.html());
    }
    for drawing in all(page, "svg") {
        assert!(drawing.attr("viewBox").is_some());
        let hidden = drawing.attr("aria-hidden") == Some("true");
        let drawing = Html::parse_fragment(&drawing.html());
        let named = !all(&drawing, "svg > title").is_empty() && !all(&drawing, "svg > desc").is_empty();
        assert!(hidden || named, "{}", drawing.html());
    }
}
