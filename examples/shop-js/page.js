// When the button says that it was paid, the page of the sale is opened, whose server asks tapline whether that is so.
addEventListener('tapline-paid', (e) => location.assign(e.detail.watch.replace(/\/state$/, '')));
